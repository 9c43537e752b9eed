"""Rounds of faults at random moments against the real service, after each of which nothing is lost or double.

`PFA_CHAOS_ROUNDS` rounds (4 are enough for every fault once); `PFA_CHAOS_SEED` repeats what chance decided, though not
what the machine did meanwhile; `PFA_CHAOS_SCALE=6` makes faults last about half a minute.
"""

import os
import random
import time
from pathlib import Path

import pytest

from tests.chaos import stack as stacks
from tests.chaos.conftest import KINDS, SEED
from tests.chaos.faults import FAULTS
from tests.chaos.invariants import (
    References,
    check_jobs,
    check_models,
    check_nothing_is_held,
    check_uploads,
    settle,
)
from tests.chaos.scene import AT_REST, Scene
from tests.chaos.tally import Tally
from tests.chaos.work import Customer
from tests.integration.clips import moving_clip
from tests.waiting import wait_for

AT_WORK = ("claimed", "phase", "progress")
"""Events of a job that some worker has."""
CYCLE = 4
"""Rounds in which every fault strikes once."""
SCALE = float(os.environ.get("PFA_CHAOS_SCALE", "1"))


def faults_of(number: int) -> list[str]:
    """The faults of a round: a share of all of them, in an order that is new in every cycle."""
    cycle, place = divmod(number, CYCLE)
    order = sorted(FAULTS)
    random.Random(f"{SEED} {cycle}").shuffle(order)
    return order[place::CYCLE]


@pytest.mark.timeout(1800)
def test_a_round(number: int, tmp_path: Path, references: References, tally: Tally) -> None:
    rng = random.Random(f"{SEED} round {number}")
    with stacks.running(tmp_path) as stack:
        customer = Customer(stack)
        customer.bring_clips()
        scene = Scene(stack=stack, customer=customer, rng=rng, scale=SCALE)
        for kind in KINDS:
            customer.train(kind)
        for fault in faults_of(number):
            strike(scene, fault, tally)
            customer.upload(moving_clip(num_frames=2, seed=1000 + tally.faults.total()))
        settle(scene)
        check_jobs(scene, references)
        check_models(scene)
        check_uploads(scene)
        tally.rounds += 1
        tally.jobs += len(customer.jobs)
    check_nothing_is_held(tmp_path / "data")


def strike(scene: Scene, fault: str, tally: Tally) -> None:
    """Let a fault happen at some moment, and wait until the service is itself again.

    It is when API, database and broker answer, and every job that was under way is so again, or at rest.
    """
    scene.some_time(1.0)
    disturbed = {job.id for job in scene.busy()}
    FAULTS[fault](scene)
    over_s = time.monotonic()
    store = scene.stack.store
    last = {job_id: store.jobs.events(job_id, limit=1000)[-1].id for job_id in disturbed}

    def recovered() -> bool:
        return scene.stack.ready() and all(
            store.jobs.get(job_id).status in AT_REST
            or any(event.kind in AT_WORK for event in store.jobs.events(job_id, after=last[job_id]))
            for job_id in disturbed
        )

    wait_for(recovered, timeout_s=300, what=f"recovery from: {fault}")
    tally.recovered(fault, time.monotonic() - over_s)
