"""Serving against LitServe and BentoML: one model, one set of images, one number of threads, one HTTP client.

    python3 -m venv /some/folder/peers && /some/folder/peers/bin/pip install -r benchmarks/serving-requirements.txt
    python -m benchmarks.serving --peers /some/folder/peers/bin/python --work /some/folder --models null,full

Starts `pfa api` with keys on and a process a thread, LitServe and BentoML with a worker a thread, one after the other,
and asks each from 1, 4, 16 and 64 connections. `null` is the smallest pose net there is: what is measured is the
framework. PFA runs in `--numerics`; each peer in the same (equal numerics, PFA's network code and allocator settings)
and `plain` (PyTorch as it comes, float32). The bare network is called in as many processes without any server:
`of bare` is the share of its throughput that a server reaches, `overhead` what a lone client waits beyond a bare pass
of one row. `CPU` is processor time of all processes of a server, `own CPU` that without what all servers do alike
(decoding, cropping, the network, reading out).

Takes about models x 5 servers x clients x seconds, by default 2 x 5 x 4 x 10 s and some starts: 8 minutes. Writes
serving.json and serving.md to `--work`. Loopback only; images are scaled to 256 px first. For what happens when a model
is swapped under load, in overload and over a long time see `python -m benchmarks.serving_stress --help`.
"""

import argparse
import json
import os
import statistics
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.machine import describe
from benchmarks.serving_stack import NETS, SERVERS, Bare, Stack, bare


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One server, one model, one number of clients; medians over the rounds."""

    model: str
    server: str
    numerics: str
    clients: int
    requests_per_s: float
    p50_ms: float
    p99_ms: float
    errors: int
    client_cores: float
    cpu_ms: float
    """Processor time of all the server's processes, an answer: what other load on the machine disturbs least."""
    own_ms: float
    """Of that, what the server itself takes: without decoding, cropping, the network and reading out, at least."""
    of_bare: float
    overhead_ms: float
    """p50 beyond a bare pass of one row; counts where there is one client."""


def measure(stack: Stack, options: argparse.Namespace, model: str) -> list[Row]:
    """All servers with one model, round by round."""
    bares: dict[str, list[Bare]] = {}
    found: dict[tuple[str, str, int], list[dict[str, Any]]] = {}
    cases = [("pfa", options.numerics)]
    cases += [(peer, numerics) for peer in options.servers if peer != "pfa" for numerics in (options.numerics, "plain")]
    for number in range(options.rounds):
        for numerics in (options.numerics, "plain"):
            for batch, processes in ((1, 1), (1, stack.threads), (8, stack.threads)):
                alone = bare(stack, model, numerics, batch=batch, processes=processes, seconds=options.bare_seconds)
                bares.setdefault(numerics, []).append(alone)
        for server, numerics in cases:
            with SERVERS[server](stack, model, numerics) as running:
                running.load(stack, clients=4, seconds=options.warm_seconds)
                for clients in options.clients:
                    one = running.load(stack, clients=clients, seconds=options.seconds)
                    found.setdefault((server, numerics, clients), []).append(one)
                    print(f"round {number + 1}: {model} {server} {numerics} {clients}: {one['requests_per_s']:.1f}/s",
                          flush=True)  # fmt: skip
    return [
        row_of((model, server, numerics, clients), runs, bares[numerics])
        for (server, numerics, clients), runs in found.items()
    ]


def row_of(case: tuple[str, str, str, int], runs: Sequence[dict[str, Any]], bares: Sequence[Bare]) -> Row:
    """The rounds of one case, put together."""

    def median(key: str) -> float:
        return statistics.median(float(run[key]) for run in runs)

    model, server, numerics, clients = case
    cpu_ms = 1000 * sum(run["server_cpu_s"] for run in runs) / max(1, sum(run["answered"] for run in runs))
    errors = sum(
        run["broken"] + sum(count for status, count in run["statuses"].items() if status != "200") for run in runs
    )
    return Row(
        model=model,
        server=server,
        numerics=numerics,
        clients=clients,
        requests_per_s=median("requests_per_s"),
        p50_ms=median("p50_ms"),
        p99_ms=median("p99_ms"),
        errors=errors,
        client_cores=median("client_cores"),
        cpu_ms=cpu_ms,
        own_ms=cpu_ms - min(each.shared_ms for each in bares),
        of_bare=median("requests_per_s") / max(each.rows_per_s for each in bares),
        overhead_ms=median("p50_ms") - min(each.pass_ms for each in bares),
    )


def table(rows: Sequence[Row]) -> str:
    """Markdown; `ratio` is PFA's requests a second over this server's, with as many clients."""
    ours = {(row.model, row.clients): row.requests_per_s for row in rows if row.server == "pfa"}
    lines = [
        "| model | server | numerics | clients | requests/s | PFA is | p50 ms | p99 ms | p99/p50 | of bare |"
        " overhead ms | CPU ms/request | own CPU ms | errors | client cores |",
        "|---" * 15 + "|",
    ]
    for row in sorted(rows, key=lambda row: (list(NETS).index(row.model), row.clients, row.server != "pfa")):
        ratio = ours.get((row.model, row.clients), float("nan")) / row.requests_per_s if row.requests_per_s else 0.0
        overhead = f"{row.overhead_ms:.1f}" if row.clients == 1 else ""
        lines.append(
            f"| {row.model} | {row.server} | {row.numerics} | {row.clients} | {row.requests_per_s:.1f} | {ratio:.2f}x"
            f" | {row.p50_ms:.1f} | {row.p99_ms:.1f} | {row.p99_ms / row.p50_ms:.1f} | {100 * row.of_bare:.0f} %"
            f" | {overhead} | {row.cpu_ms:.2f} | {row.own_ms:.2f} | {row.errors} | {row.client_cores:.2f} |"
        )
    return "\n".join(lines)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    data = Path(os.environ.get("PFA_TEST_DATA", "../shared/data"))
    parser.add_argument("--peers", type=Path, required=True, help="python of the environment with LitServe and BentoML")
    parser.add_argument("--work", type=Path, required=True, help="folder for models, images, logs and results")
    parser.add_argument("--images", type=Path, default=data / "pose_images", help="folder with .jpg files")
    parser.add_argument("--models", type=names(NETS), default=["null", "full"], help=f"of {','.join(NETS)}")
    parser.add_argument("--servers", type=names(SERVERS), default=list(SERVERS), help=f"of {','.join(SERVERS)}")
    parser.add_argument("--numerics", default="float32", help="PFA_NUMERICS, and of the peers with equal numerics")
    parser.add_argument("--executor", default="", help="PFA_EXECUTOR, and of the peers with equal numerics")
    parser.add_argument("--clients", type=numbers, default=[1, 4, 16, 64])
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)), help="of each server, in all")
    parser.add_argument("--max-batch", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=10, help="of each number of clients")
    parser.add_argument("--warm-seconds", type=float, default=3)
    parser.add_argument("--bare-seconds", type=float, default=3)
    parser.add_argument("--rounds", type=int, default=1, help="of all servers in turn; medians are told")
    parser.add_argument(
        "--set", action="append", default=[], metavar="PFA_NAME=VALUE", help="further settings of `pfa api`"
    )
    return parser.parse_args()


def names(known: Collection[str]) -> Callable[[str], list[str]]:
    """The type of an option that is a list of known words."""

    def parse_names(text: str) -> list[str]:
        found = text.split(",")
        if not set(found) <= set(known):
            raise argparse.ArgumentTypeError(f"choose of {', '.join(known)}")
        return found

    return parse_names


def numbers(text: str) -> list[int]:
    """The type of an option that is a list of numbers."""
    return [int(part) for part in text.split(",")]


def main() -> None:
    options = parse()
    settings = dict(setting.split("=", 1) for setting in options.set)
    work = options.work.resolve()
    stack = Stack(
        work=work,
        peers=options.peers,
        threads=options.threads,
        max_batch=options.max_batch,
        executor=options.executor,
        pfa_settings=settings,
    )
    stack.prepare(options.images, num_images=32)
    before = describe()
    rows = [row for model in options.models for row in measure(stack, options, model)]
    machine = [f"At the beginning: {before}", f"At the end: {describe()}", f"Settings of PFA: {settings or 'default'}"]
    machine.append(f"Numerics: {options.numerics}; executor: {options.executor or 'as each does by itself'}")
    result = {"machine": machine, "options": vars(options), "rows": [asdict(row) for row in rows]}
    (work / "serving.json").write_text(json.dumps(result, indent=1, default=str))
    text = "\n\n".join([*machine, table(rows)])
    (work / "serving.md").write_text(text + "\n")
    print(f"\n{text}")


if __name__ == "__main__":
    main()
