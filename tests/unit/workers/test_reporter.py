"""Progress is written seldom, but no phase and no figure is missed."""

from pfa_core.progress import Progress
from pfa_store.errors import StoreUnavailable
from workers.reporter import Reporter


class Written:
    """Keeps what a reporter writes."""

    def __init__(self) -> None:
        self.steps: list[tuple[str, int, float | None]] = []
        self.figures: list[dict[str, float]] = []

    def __call__(self, progress: Progress, *, eta_s: float | None) -> None:
        self.steps.append((progress.phase, progress.step, eta_s))
        self.figures.append(dict(progress.metrics))


class Clock:
    now_s = 50.0

    def __call__(self) -> float:
        return self.now_s


def report(*steps: tuple[float, Progress]) -> Written:
    """Report each step at its time."""
    written, clock = Written(), Clock()
    reporter = Reporter(written, clock)
    for at_s, progress in steps:
        clock.now_s = 50 + at_s
        reporter(progress)
    return written


def step(n: int, *, phase: str = "train", total: int = 100, **metrics: float) -> Progress:
    return Progress(phase=phase, step=n, total=total, metrics=metrics)


def test_one_write_a_second() -> None:
    written = report(*((n / 10, step(n)) for n in range(35)))
    assert [n for _, n, _ in written.steps] == [0, 10, 20, 30]


def test_a_step_that_lasts_is_written_once() -> None:
    written = report(*((float(n), step(1 + (n == 9))) for n in range(10)))
    assert [n for _, n, _ in written.steps] == [1, 2]


def test_the_first_and_the_last_step_of_a_phase_are_written() -> None:
    written = report(
        (0.0, step(1, total=2)), (0.1, step(2, total=2)), (0.2, step(1, phase="validate")), (0.3, step(2, phase="x"))
    )
    assert [(phase, n) for phase, n, _ in written.steps] == [("train", 1), ("train", 2), ("validate", 1), ("x", 2)]


def test_figures_of_steps_between_are_kept() -> None:
    written = report((0.0, step(1, loss=3.0)), (0.5, step(2, accuracy=0.7)), (1.5, step(3, loss=2.0)))
    assert written.figures == [{"loss": 3.0}, {"loss": 2.0, "accuracy": 0.7}]


def test_time_left_follows_from_the_pace_of_the_phase() -> None:
    """20 steps in 4 s: the 70 steps that are left take 14 s."""
    written = report((0.0, step(10)), (4.0, step(30)))
    assert [eta_s for _, _, eta_s in written.steps] == [None, 14.0]


def test_nothing_is_said_of_a_phase_that_has_just_begun() -> None:
    written = report((0.0, step(1)), (1.0, step(2)), (2.0, step(3)))
    assert [eta_s for _, _, eta_s in written.steps] == [None, None, 97.0]


def test_a_fast_beginning_is_forgotten() -> None:
    """1,000 steps that were done before, found in a second; then one step a second: 900 are left at 100 s."""
    beginning = [(0.0, step(0, total=2000)), (1.0, step(1000, total=2000))]
    written = report(*beginning, *((1.0 + n, step(1000 + n, total=2000)) for n in range(1, 101)))
    assert written.steps[-1][2] == 900.0


def test_at_a_steady_pace_the_time_left_shrinks_with_the_clock() -> None:
    """Also after very many reports, of which not all are kept."""
    written = report(*((float(n), step(3 * n, total=6000)) for n in range(1500)))
    told = [(n, eta_s) for n, (_, _, eta_s) in enumerate(written.steps) if eta_s is not None]
    assert len(told) > 1400
    assert all(abs(eta_s - (2000 - n)) < 1e-6 for n, eta_s in told)


def test_a_slow_step_now_and_then_keeps_the_time_left_steady() -> None:
    """A validation of 10 s after every 20 steps of a second: never off by more than a tenth once a few have passed."""
    now_s, reports = 0.0, []
    for n in range(1000):
        now_s += 11.0 if n % 20 == 19 else 1.0
        reports.append((now_s, step(n + 1, total=1000)))
    end_s = now_s
    written = report(*reports)
    for (at_s, _), (_, _, eta_s) in list(zip(reports, written.steps, strict=True))[200:-20]:
        assert eta_s is not None
        assert abs(eta_s - (end_s - at_s)) < 0.1 * (end_s - at_s) + 10


def test_an_unknown_total_has_no_time_left() -> None:
    written = report((0.0, step(1, total=0)), (4.0, step(9, total=0)))
    assert [eta_s for _, _, eta_s in written.steps] == [None, None]


def test_a_database_that_is_away_stops_nothing() -> None:
    def away(progress: Progress, *, eta_s: float | None) -> None:
        raise StoreUnavailable("away")

    Reporter(away, Clock())(step(1))
