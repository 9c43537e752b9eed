"""What the commands that talk to a service share: its address and key, and how they answer."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, is_dataclass
from typing import Annotated, Any

import typer

from pfa.console import UNREACHABLE, announce, fail
from pfa_client import Client, ClientError, ProblemError, ServiceUnreachable, UploadProgress

Url = Annotated[str, typer.Option(help="The service", envvar="PFA_URL")]
Key = Annotated[str | None, typer.Option(help="An API key", envvar="PFA_KEY")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON on stdout; messages go to stderr")]
Sure = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask")]
Limit = Annotated[int, typer.Option(help="At most so many, the newest", min=1)]

HERE = "http://127.0.0.1:8000"


@contextmanager
def talking(url: str, key: str | None) -> Iterator[Client]:
    """A client; what the service refuses (exit status 1), or that it does not answer (3), is told in a line."""
    if not url.startswith(("http://", "https://")):
        fail(f"--url wants http:// or https://, not {url!r}.")
    try:
        with Client(url, key) as client:
            yield client
    except ServiceUnreachable:
        fail(f"Nothing answers at {url}. Start a service (pfa up), or name yours: --url, PFA_URL.", status=UNREACHABLE)
    except ProblemError as error:
        fail(_advised(error))
    except (ClientError, OSError) as error:
        fail(str(error))


def _advised(error: ProblemError) -> str:
    if error.status == 401:
        return f"{error.detail} Give a key: --key, PFA_KEY; `pfa up` keeps its own in pfa-data/admin.key."
    return error.detail if error.code in ("unknown", "") else f"{error.detail} ({error.code})"


def print_json(value: object) -> None:
    """Records as JSON, for programs."""
    print(json.dumps(_plain(value), indent=2))


def _plain(value: object) -> Any:  # noqa: ANN401  # JSON
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


def agreed(question: str, *, sure: bool) -> None:
    """Ask before something is gone for good; without a terminal to ask on, `--yes` is needed."""
    if not sure and not typer.confirm(question, err=True):
        fail("Nothing was deleted.")


def told_bytes(name: str) -> Callable[[UploadProgress], None]:
    """Tells on stderr how much of a file has arrived, at each tenth."""
    told = -1

    def tell(progress: UploadProgress) -> None:
        nonlocal told
        tenth = 10 * progress.offset // max(1, progress.num_bytes)
        if tenth > told:
            told = tenth
            announce(f"{name}: {progress.offset / 2**20:.1f} of {progress.num_bytes / 2**20:.1f} MiB")

    return tell
