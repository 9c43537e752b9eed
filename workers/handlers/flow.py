"""A flow job: make the packs of videos, so that later jobs find them."""

from collections.abc import Generator

from pfa_core.progress import Progress
from pfa_store.specs import FlowSpec
from workers.flow_packs import packs_of
from workers.left_out import noted
from workers.sources import videos_of
from workers.work import JobResult, Work


def handle(work: Work) -> Generator[Progress, None, JobResult]:
    """Result: {"packs": n, "pairs": n, "left_out": [...]}."""
    spec = work.job.request
    assert isinstance(spec, FlowSpec)
    packs, _ = yield from packs_of(work, videos_of(work.store, spec), spec.resolve())
    return {
        "packs": len(packs),
        "pairs": sum(pack.num_frames - 1 for pack in packs.values()),
        "left_out": noted(work),
    }
