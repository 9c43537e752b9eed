"""When progress is taken to stand still."""

from dataclasses import replace

from pfa_store.job_record import Job
from workers.stall import StallWatch

JOB = Job(
    id="job_1", kind="pretrain", queue="train", spec={}, status="running", phase="train", step=1, total=9, eta_s=None,
    metrics={}, attempt=1, priority=0, half_batch=False, token=1, worker="w", lease_until_s=None, rung_s=None,
    error_code=None, error_message=None, result=None, created_s=0, started_s=0, finished_s=None, key_id=None,
)  # fmt: skip


class Clock:
    now_s = 5.0

    def __call__(self) -> float:
        return self.now_s


def at(clock: Clock, watch: StallWatch, now_s: float, job: Job) -> bool:
    clock.now_s = now_s
    return watch.stalled(job)


def test_whatever_moves_is_progress() -> None:
    clock = Clock()
    watch = StallWatch(10, clock)
    moves = [JOB, replace(JOB, step=2), replace(JOB, step=2, metrics={"loss": 1.0}), replace(JOB, phase="x", step=2)]
    for n, job in enumerate(moves):
        assert not at(clock, watch, 9.0 * n + 5, job)
        assert not at(clock, watch, 9.0 * n + 13.9, job)
    assert at(clock, watch, 9.0 * 3 + 15, moves[-1])


def test_a_phase_of_unknown_length_cannot_stand_still() -> None:
    clock = Clock()
    watch = StallWatch(10, clock)
    assert not at(clock, watch, 100, replace(JOB, phase="", total=0))
    assert not at(clock, watch, 1000, replace(JOB, phase="", total=0))
    assert not at(clock, watch, 1009, JOB)
    assert at(clock, watch, 1019, JOB)


def test_time_without_a_view_does_not_count() -> None:
    clock = Clock()
    watch = StallWatch(10, clock)
    assert not at(clock, watch, 6, JOB)
    clock.now_s = 100
    watch.forgive()
    assert not watch.stalled(JOB)
    assert at(clock, watch, 110, JOB)


def test_nought_is_never() -> None:
    clock = Clock()
    watch = StallWatch(0, clock)
    assert not at(clock, watch, 6, JOB)
    assert not at(clock, watch, 1e9, JOB)
