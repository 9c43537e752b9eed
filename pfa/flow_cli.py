"""`pfa flow`: the motion in videos, without a service: packs that pretraining takes, or files of every pair."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from pfa.console import announce, fail, or_fail
from pfa.ending import tell
from pfa.files_below import VIDEO_SUFFIXES, below
from pfa.flow_files import write_flow
from pfa.front import HELP
from pfa.pretrain_cli import Preset, attended, overrides_of
from pfa.pretraining import packed
from pfa.remote import AsJson
from pfa_core.config import pretrain as presets
from pfa_core.video.limits import DecodeLimits
from pfa_core.video.probe import probe
from pfa_store.specs import resolve

app = typer.Typer(pretty_exceptions_enable=False, context_settings=HELP)


class Kind(StrEnum):
    PACKS = "packs"
    FLO = "flo"
    NPZ = "npz"
    PNG = "png"


@app.command(name="pfa flow")
def flow(
    videos: Annotated[list[Path], typer.Argument(help="Videos, or folders of them", exists=True)],
    *,
    out_dir: Annotated[Path, typer.Option("--out", help="Where they go; the same command goes on")] = Path("flow"),
    kind: Annotated[
        Kind,
        typer.Option(
            "--as",
            help="packs (`pfa pretrain --work` takes the folder), or of each pair Middlebury .flo, "
            "numpy .npz, or KITTI's 16-bit .png",
        ),
    ] = Kind.PACKS,
    preset: Annotated[Preset, typer.Option(help="What to start from")] = Preset.SMALL,
    values: Annotated[list[str] | None, typer.Option("--set", help="A value: --set short_side_px=128")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say how many videos, frames and pairs")] = False,
    as_json: AsJson = False,
) -> None:
    """Measure flow (TV-L1) between neighbouring frames. Ctrl-C stops; what is done stays."""  # fmt: skip

    def run() -> None:
        base = presets.paper() if preset is Preset.PAPER else presets.small()
        config = resolve(base.pack, overrides_of(values or []))
        files = below(videos, suffixes=VIDEO_SUFFIXES)
        if not files:
            fail(f"There are no videos ({', '.join(VIDEO_SUFFIXES)}) in {', '.join(map(str, videos))}.")
        if dry_run:
            frames = [probe(file, limits=DecodeLimits()).num_frames for file in files]
            pairs = sum(max(0, each - 1) for each in frames)
            tell({"videos": len(files), "frames": sum(frames), "pairs": pairs}, as_json=as_json)
            return
        if kind is Kind.PACKS:
            usable, unpacked = attended(packed(files, config, work=out_dir))
            lines = [f"left out: {one.name}: {one.message}" for one in unpacked]
            count, where = len(usable), out_dir / "packs"
        else:
            count, lines = attended(write_flow(files, kind=kind, config=config, out=out_dir))
            where = out_dir
        for line in lines:
            announce(line)
        tell({"as": str(kind), "made": count, "folder": str(where), "unusable": len(lines)}, as_json=as_json)

    or_fail(run)


if __name__ == "__main__":
    app()
