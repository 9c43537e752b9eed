"""A flow job: make the packs of videos, so that later jobs find them."""

from collections.abc import Generator

from pfa_core.pack_format import HEADER, PackHeader
from pfa_core.progress import Progress
from pfa_store.specs import FlowSpec
from workers.flow_packs import make_packs
from workers.left_out import noted
from workers.sources import videos_of
from workers.work import JobResult, Work


def handle(work: Work) -> Generator[Progress, None, JobResult]:
    """Result: {"packs": n, "pairs": n, "left_out": [...]}."""
    spec = work.job.request
    assert isinstance(spec, FlowSpec)
    made, _ = yield from make_packs(work, videos_of(work.store, spec), spec.resolve())
    shelf = work.store.files.shelf
    headers = [PackHeader.parse(shelf.read_file(task.folder, HEADER), task.folder / HEADER) for task in made.values()]
    return {
        "packs": len(made),
        "pairs": sum(header.num_frames - 1 for header in headers),
        "left_out": noted(work),
    }
