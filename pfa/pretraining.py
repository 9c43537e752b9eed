"""From files to a pretrained model, without a service; and what a rehearsal of that has to tell."""

import shutil
from collections.abc import Generator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pfa.ending import Document
from pfa.files_below import VIDEO_SUFFIXES, below
from pfa_core.config.flow import PackConfig
from pfa_core.config.pretrain import PretrainConfig
from pfa_core.durable import sha256_of
from pfa_core.errors import InputError
from pfa_core.left_out import LeftOut, plain
from pfa_core.manifest import Lineage
from pfa_core.models import library_version, save_model
from pfa_core.objectives import pretrained_model_config
from pfa_core.pack_reader import Pack
from pfa_core.packs import pack_key
from pfa_core.pretrain import PretrainVideo
from pfa_core.pretrain import pretrain as recipe
from pfa_core.progress import Progress
from pfa_core.rehearsal import Rehearsal, rehearse
from pfa_core.stand_in import stand_in_clips
from pfa_core.torchrun import leads, leads_here
from pfa_core.video.limits import DecodeLimits
from pfa_core.video.probe import probe
from workers.flow_packs import num_processes
from workers.listed_tasks import pack_all
from workers.pack_task import PackTask

FPS = 25
"""What an hour of video is taken to hold, where files do not say."""
PACK_BYTES_PER_PX = 0.42
"""Of a frame and its flow: 22 KiB and 10 KB at 320 x 240. Source: UCF101's clips, benchmarks/RESULTS.md."""


def learn(
    videos: Sequence[Path], *, config: PretrainConfig, seed: int, device: str, work: Path, out: Path
) -> Generator[Progress, None, Document | None]:
    """Make packs, train, and write the model folder; what it stopped at is gone on with.

    Of several processes that torchrun started, the first writes the model; the others return None.

    Raises:
        As `pfa_core.pretrain.pretrain` and `pfa_core.models.save_model`.
    """
    usable, unpacked = yield from packed(videos, config.pack, work=work)
    trained = yield from recipe(usable, config=config, folder=work, seed=seed, device=device)
    if not leads():
        return None
    refused = {one.name for one in trained.left_out}
    lineage = Lineage(
        items_sha256=tuple(sorted(one.pack.video_sha256 for one in usable if one.name not in refused)),
        seed=seed,
        code=library_version(),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    save_model(out, trained.model, config=pretrained_model_config(config), lineage=lineage, metrics=trained.metrics)
    shutil.rmtree(work / "checkpoints")
    return {"model": str(out), "metrics": dict(trained.metrics), "left_out": plain([*unpacked, *trained.left_out])}


def rehearsed(
    videos: Sequence[Path],
    *,
    config: PretrainConfig,
    seed: int,
    device: str,
    work: Path,
    scratch: Path,
    warm_up_steps: int,
    measured_steps: int,
) -> Generator[Progress, None, tuple[Rehearsal, float]]:
    """Rehearse over videos, or over noise where there are none; with the bytes of packs per hour of video."""
    if videos:
        usable, _ = yield from packed(videos, config.pack, work=work)
        num_frames = sum(one.pack.num_frames for one in usable)
        num_bytes = sum(path.stat().st_size for path in (work / "packs").glob("*/*"))
        per_frame = num_bytes / max(1, num_frames)
    else:
        clips = stand_in_clips(config)
        usable = [PretrainVideo(name=str(clip.number), pack=clip) for clip in clips]
        per_frame = PACK_BYTES_PER_PX * clips[0].size[0] * clips[0].size[1]
    found = yield from rehearse(
        usable, config=config, folder=scratch, seed=seed, device=device, warm_up_steps=warm_up_steps,
        measured_steps=measured_steps,
    )  # fmt: skip
    return found, per_frame * FPS * 3600


def packed(
    videos: Sequence[Path], config: PackConfig, *, work: Path
) -> Generator[Progress, None, tuple[list[PretrainVideo], list[LeftOut]]]:
    """The packs of all videos, in `work`; made where they are missing. Also says which have none, and why."""
    left_out: list[LeftOut] = []
    tasks: dict[str, PackTask] = {}
    limits = DecodeLimits()
    files = below(videos, suffixes=VIDEO_SUFFIXES)
    for i, path in enumerate(files):
        yield Progress(phase="probe", step=i, total=len(files))
        try:
            num_frames = probe(path, limits=limits).num_frames
        except InputError as error:
            left_out.append(LeftOut.of(error, name=str(path), path=path))
            continue
        sha = sha256_of(path)
        folder = work / "packs" / pack_key(sha, config)
        tasks[sha] = PackTask(
            name=str(path), video=path, folder=folder, config=config, video_sha256=sha, limits=limits,
            pairs=max(0, num_frames - 1),
        )  # fmt: skip
    (work / "packs").mkdir(parents=True, exist_ok=True)
    processes = num_processes(config, len(tasks)) if leads_here() else 1
    refused = yield from pack_all(list(tasks.values()), processes=processes)
    left_out += [LeftOut(name=name, code=why.code, message=why.message) for name, why in refused.items()]
    usable = [
        PretrainVideo(name=task.name, pack=Pack.open(task.folder, verify=False))
        for task in tasks.values()
        if task.name not in refused
    ]
    return usable, left_out


def measured(found: Rehearsal, *, pack_bytes_per_hour: float) -> Document:
    """What a rehearsal has to tell, for programs."""
    derived = {"flops": found.flops, "utilisation": found.utilisation, "pack_bytes_per_hour": pack_bytes_per_hour}
    return {**asdict(found), **derived}


def describe(found: Rehearsal, *, pack_bytes_per_hour: float, now: datetime) -> list[str]:
    """What a rehearsal has to tell, line by line."""
    whole = timedelta(seconds=round(found.whole_s))
    memory = "not measured on several GPUs" if found.memory_bytes is None else f"{found.memory_bytes / 2**30:.2f} GiB"
    return [
        f"device: {found.device}, {found.devices} process{'es' if found.devices > 1 else ''}",
        f"steps measured: {found.measured_steps}, after {found.warm_up_steps} to warm up",
        f"speed: {1 / found.step_s:.3g} steps/s, {1e3 * found.positive_s:.3g} ms a positive",
        f"stall: {found.stall:.1%} (a batch is cut in {1e3 * found.batch_s:.3g} ms)",
        f"memory at most, of one process: {memory}",
        f"arithmetic: {found.flops / 1e12:.3g} TFLOP/s, {found.utilisation:.0%} of the"
        f" {found.matmul_flops / 1e12:.3g} that matrix products reach on one device",
        f"checkpoint: {found.checkpoint_bytes / 2**20:.1f} MiB; two are kept",
        f"packs: {pack_bytes_per_hour / 2**30:.2f} GiB an hour of video at {FPS} frames/s",
        f"the whole schedule: {whole}, until {now + whole:%Y-%m-%d %H:%M}, without validations",
    ]
