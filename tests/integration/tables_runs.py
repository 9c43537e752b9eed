"""A comparison small enough for a test: two classes, people of dots, clips of moving texture, a few steps."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from pfa_core.annotations import read_pose_json
from pfa_core.clips import LabelledClip
from pfa_core.config import tables as presets
from pfa_core.config.tables import TablesConfig
from pfa_core.durable import sha256_of
from pfa_core.packs import build_pack, pack_key
from pfa_core.progress import run_to_end
from pfa_core.tables.sources import ActionSet, PoseSet, TablesData, VideoSource
from pfa_core.video.limits import DecodeLimits
from tests.integration.clips import write_clip
from tests.unit.pfa_core.pictures import JOINTS, dotted_people

NET = {"width": 1 / 32, "crop_px": 64, "norm": "batch"}
LEARN = {"batch_size": 4, "steps": 3, "validate_every_steps": 100, "checkpoint_every_steps": 1}
_LEARNED = {"net": NET, "learn": LEARN, "gap_frames": 2, "pack": {"short_side_px": 64, "backend": "dis"}}
OVERRIDES: dict[str, Any] = {
    "pose": {"net": NET, "learn": LEARN},
    "action": {
        "net": NET,
        "learn": LEARN,
        "short_side_px": 64,
        "test_frames": 1,
        "motion": {"gap_frames": 2, "test_blocks": 1, "pack": {"short_side_px": 64, "backend": "dis"}},
    },
    "static": {"net": NET, "learn": LEARN, "short_side_px": 64, "test_frames": 1},
    "motion": _LEARNED | {"val_triplets": 4},
    "ranking": _LEARNED | {"val_pairs": 4, "patch_px": 32, "camera_share": 1.0},
    "steady": _LEARNED | {"val_tuples": 4},
    "initialisations": ["random", "motion"],
    "seeds": 2,
    "fractions": [0.5, 1.0],
    "fraction_seeds": 1,
    "static_images": 2,
    "static_frames": 1,
}


def tiny_config(**changes: Any) -> TablesConfig:
    """The configuration of OVERRIDES; `changes` replace its fields."""
    from pfa_store.specs import resolve

    return replace(resolve(presets.small(), OVERRIDES), **changes)


def write_files(folder: Path) -> Path:
    """Clips, people and the data file; returns the latter. One of the videos is a test clip."""
    folder.mkdir(exist_ok=True)
    (folder / "clips").mkdir()
    rows = ["file,label,group,split"]
    for seed in range(6):
        name = f"clips/{seed}.mp4"
        write_clip(folder / name, num_frames=10, seed=seed)
        rows.append(f"{name},{'left' if seed % 2 else 'right'},g{seed},{'test' if seed > 3 else 'train'}")
    (folder / "labels.csv").write_text("\n".join(rows) + "\n")
    people = dotted_people(folder, 6)
    plain = [person.to_json() | {"image": person.image.name, "split": "test" if n > 3 else "train"}
             for n, person in enumerate(people)]  # fmt: skip
    notes = {"joint_names": JOINTS.names, "annotations": plain}
    (folder / "people.json").write_text(json.dumps(notes))
    data = {
        "videos": ["clips"],
        "action": {"moves": "labels.csv"},
        "pose": {"dots": "people.json"},
        "static": {"frames": {"from_action": "moves"}},
    }
    (folder / "data.json").write_text(json.dumps(data))
    return folder / "data.json"


def tiny_data(folder: Path, config: TablesConfig) -> TablesData:
    """What the data file names, without still images, read by hand; its packs are made."""
    write_files(folder)
    paths = sorted((folder / "clips").iterdir())
    contents = {path: sha256_of(path) for path in paths}
    clips = tuple(
        LabelledClip(name=path.name, label="left" if n % 2 else "right", path=path, split="test" if n > 3 else "train")
        for n, path in enumerate(paths)
    )
    videos = []
    for path in paths[:4]:
        pack = folder / "packs" / pack_key(contents[path], config.motion.pack)
        steps = build_pack(path, pack, config.motion.pack, video_sha256=contents[path], limits=DecodeLimits())
        run_to_end(steps, lambda _: None)
        videos.append(VideoSource(name=path.name, sha256=contents[path], pack=pack))
    read = read_pose_json((folder / "people.json").read_bytes())
    people = tuple(replace(person, image=folder / person.image) for person in read.people)
    images = {person.image: sha256_of(person.image) for person in people}
    return TablesData(
        videos=tuple(videos),
        action=(ActionSet(name="moves", clips=clips, contents=contents),),
        pose=(PoseSet(name="dots", joints=read.joints, people=people, contents=images),),
        kept_out=2,
    )
