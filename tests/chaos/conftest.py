"""The seed, the rounds and the report of the chaos suite."""

import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos import stack as stacks
from tests.chaos.invariants import References, settle
from tests.chaos.scene import Scene
from tests.chaos.tally import Tally
from tests.chaos.work import Customer, Trained

ROUNDS = int(os.environ.get("PFA_CHAOS_ROUNDS", "4"))
SEED = int(os.environ.get("PFA_CHAOS_SEED", "") or random.SystemRandom().randrange(10**6))
KINDS: tuple[Trained, ...] = ("pretrain", "finetune")

_TALLY = pytest.StashKey[Tally]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_TALLY] = Tally(SEED)


def pytest_report_header() -> str:
    return f"chaos: {ROUNDS} rounds; repeat them with PFA_CHAOS_SEED={SEED}"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "number" in metafunc.fixturenames:
        metafunc.parametrize("number", range(ROUNDS))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    lines = terminalreporter.config.stash[_TALLY].lines()
    if lines:
        terminalreporter.section("chaos")
        terminalreporter.write("\n".join([*lines, ""]))


@pytest.fixture(scope="session")
def tally(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tally]:
    """What the rounds add to; the report is also left in `chaos.txt`."""
    told = pytestconfig.stash[_TALLY]
    yield told
    (tmp_path_factory.getbasetemp() / "chaos.txt").write_text("\n".join([*told.lines(), ""]))


@pytest.fixture(scope="session")
def references(tmp_path_factory: pytest.TempPathFactory) -> References:
    """Every training job once, on a service that nothing happens to."""
    folder: Path = tmp_path_factory.mktemp("calm")
    with stacks.running(folder) as stack:
        customer = Customer(stack)
        customer.bring_clips()
        jobs = {kind: customer.train(kind) for kind in KINDS}
        settle(Scene(stack=stack, customer=customer, rng=random.Random(0), scale=1.0))
        return {kind: customer.trace(wanted) for kind, wanted in jobs.items()}
