"""How a pack lies on disk. A pack is a folder:

frames.bin  the frames as JPEG, one after the other
flow.bin    the flow maps as zstd frames (level 1, with content checksums) of (2, H, W) int8, one after the other
index.bin   little-endian uint64: num_frames + 1 offsets into frames.bin, then num_frames offsets into flow.bin
pack.json   what it is, the length and sha256 of each file above, and the sha256 of itself without that line
"""

import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from pfa_core.config.flow import PackConfig
from pfa_core.errors import PackDamaged

FORMAT = 1
"""Version of the layout; part of a pack's key."""
CONTENT = 4
"""Version of what the same video and configuration give; part of a pack's key. To be raised by every change of
decoding, scaling or flow that alters a frame or a displacement, or old packs would be taken for new ones.

2: frames have square pixels. 3: the fused flow stops where the rule says. 4: DIS forgets the pair before."""

FRAMES, FLOW, INDEX, HEADER = "frames.bin", "flow.bin", "index.bin", "pack.json"
DATA_FILES = (FRAMES, FLOW, INDEX)
BUILDING, GONE = ".building", ".gone"
"""What a pack's companions are called: `.` and the pack's name and this. Chunks in the making, and a damaged pack."""


def beside(folder: Path, suffix: str) -> Path:
    """A pack's companion."""
    return folder.parent / f".{folder.name}{suffix}"


def discard(folder: Path) -> None:
    """Take a damaged pack out of the way in one step, then remove it; also what a killed builder took away."""
    grave = beside(folder, GONE)
    shutil.rmtree(grave, ignore_errors=True)
    if folder.is_dir():
        folder.rename(grave)
        shutil.rmtree(grave)


def pack_key(video_sha256: str, config: PackConfig, *, layout: int = FORMAT, content: int = CONTENT) -> str:
    """The content address of a pack: 64 hexadecimal digits from the video's bytes and everything that shapes it."""
    return digest({"format": layout, "content": content, "video_sha256": video_sha256, "config": asdict(config)})


@dataclass(frozen=True, slots=True, kw_only=True)
class FileSum:
    """Length and checksum of a file."""

    num_bytes: int
    sha256: str

    @classmethod
    def of(cls, path: Path) -> Self:
        """Read the file."""
        with path.open("rb") as file:
            return cls(num_bytes=path.stat().st_size, sha256=hashlib.file_digest(file, "sha256").hexdigest())


@dataclass(frozen=True, slots=True, kw_only=True)
class PackHeader:
    """`pack.json`."""

    video_sha256: str
    config: Mapping[str, Any]
    """PackConfig as plain values."""
    num_frames: int
    height_px: int
    width_px: int
    bound_px: float
    motion_px: float
    files: Mapping[str, FileSum]

    @property
    def sha256(self) -> str:
        """Tells this pack's content from any other's."""
        return digest(self._plain())

    def write(self, path: Path) -> None:
        text = json.dumps({**self._plain(), "sha256": self.sha256}, indent=1, sort_keys=True)
        path.write_text(text, encoding="ascii")

    def _plain(self) -> dict[str, Any]:
        return {"format": FORMAT, **asdict(self)}

    @staticmethod
    def read(path: Path) -> "PackHeader":
        """Raises: PackDamaged: missing, garbled, or of a layout that this version does not read."""
        try:
            content = path.read_bytes()
        except OSError as error:
            raise PackDamaged(f"{path.name} cannot be read: {error!r}.", folder=str(path.parent)) from error
        return PackHeader.parse(content, path)

    @staticmethod
    def parse(content: bytes, path: Path) -> "PackHeader":
        """`read` for bytes that were read from `path`. Raises: PackDamaged."""
        try:
            plain = json.loads(content)
            found = plain.pop("sha256")
            if plain["format"] != FORMAT:
                raise PackDamaged(f"The pack has layout {plain['format']}; this version reads layout {FORMAT}.")
            if found != digest(plain):
                raise PackDamaged(f"The checksum of {path.name} does not match.", folder=str(path.parent))
            del plain["format"]
            files = {name: FileSum(**plain["files"][name]) for name in DATA_FILES}
            return PackHeader(**{**plain, "files": files})
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise PackDamaged(f"{path.name} cannot be read: {error!r}.", folder=str(path.parent)) from error


@dataclass(frozen=True, slots=True, kw_only=True)
class PackIndex:
    """Where each frame and each flow map lies: item i is bytes [offsets[i], offsets[i + 1])."""

    frames: NDArray[np.uint64]
    """(num_frames + 1,)"""
    flow: NDArray[np.uint64]
    """(num_frames,)"""

    def write(self, path: Path) -> None:
        path.write_bytes(np.concatenate([self.frames, self.flow]).astype("<u8").tobytes())

    @staticmethod
    def read(path: Path, header: PackHeader) -> "PackIndex":
        """Raises: PackDamaged: missing, of another length, or pointing outside its files."""
        try:
            offsets = np.frombuffer(path.read_bytes(), "<u8").astype(np.uint64)
        except (OSError, ValueError) as error:
            raise PackDamaged(f"{path.name} cannot be read: {error}.", folder=str(path.parent)) from error
        split = header.num_frames + 1
        index = PackIndex(frames=offsets[:split], flow=offsets[split:])
        if len(offsets) == split + header.num_frames and all(
            part[0] == 0 and part[-1] == header.files[name].num_bytes and (part[1:] >= part[:-1]).all()
            for name, part in ((FRAMES, index.frames), (FLOW, index.flow))
        ):
            return index
        raise PackDamaged(f"{path.name} does not fit its pack.", folder=str(path.parent))


def read_pack(folder: Path, *, verify: bool) -> tuple[PackHeader, PackIndex]:
    """What a pack says of itself.

    Args:
        folder: the pack.
        verify: read every byte and compare checksums; without it, lengths only.

    Raises:
        PackDamaged: something is missing, cut short, garbled, or of a newer layout.
    """
    header = PackHeader.read(folder / HEADER)
    for name in DATA_FILES:
        check_file(folder / name, header.files[name], verify=verify)
    return header, PackIndex.read(folder / INDEX, header)


def check_file(path: Path, expected: FileSum, *, verify: bool) -> None:
    """Raises: PackDamaged: the file is not there, or its length or (`verify`) its checksum is another."""
    try:
        num_bytes = path.stat().st_size
        matches = num_bytes == expected.num_bytes and (not verify or FileSum.of(path) == expected)
    except OSError as error:
        raise PackDamaged(f"{path.name} cannot be read: {error}.", folder=str(path.parent)) from error
    if not matches:
        raise PackDamaged(f"The length or the checksum of {path.name} does not match.", folder=str(path.parent))


def digest(plain: Mapping[str, Any]) -> str:
    """sha256 of a document: the same for the same values, whatever their order."""
    canonical = json.dumps(plain, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()
