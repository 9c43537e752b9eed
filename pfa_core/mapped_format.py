"""How the mapped form of a pack lies on disk: all that the pack holds, decoded, to be read through a memory map.

It is derived from a pack and can be made from it again at any time. A folder beside the pack, named as the pack is,
with `.mapped` after it:

frames.u8    (T, H, W, 3) uint8 RGB
flow.i8      (T - 1, 2, H, W) int8, x then y
mapped.json  which pack it was made of, what decoded it, the length and sha256 of each file above, and the sha256 of
             itself without that line

Axes: T frames, H rows, W columns.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from pfa_core.errors import PackDamaged
from pfa_core.pack_format import FileSum, check_file, digest

FRAMES, FLOW, HEADER = "frames.u8", "flow.i8", "mapped.json"
MAPPED = ".mapped"
MAPPING = ".mapping"
"""What the folder in the making is called, after `.` and the pack's name."""


def mapped_folder(pack: Path) -> Path:
    """Where the mapped form of the pack at `pack` lies, if there is one."""
    return pack.with_name(pack.name + MAPPED)


def is_mapped(folder: Path) -> bool:
    """Whether the name is that of a finished mapped form."""
    return folder.name.endswith(MAPPED) and not folder.name.startswith(".")


@dataclass(frozen=True, slots=True, kw_only=True)
class MappedHeader:
    """`mapped.json`."""

    pack_sha256: str
    """Of the pack's header, which has the checksums of all that the pack holds."""
    decoder: str
    """Another one may decode a JPEG a little differently, and training must not depend on that."""
    files: Mapping[str, FileSum]

    def write(self, path: Path) -> None:
        plain = asdict(self)
        path.write_text(json.dumps({**plain, "sha256": digest(plain)}, indent=1, sort_keys=True), encoding="ascii")

    @staticmethod
    def read(path: Path) -> "MappedHeader":
        """Raises: PackDamaged: missing or garbled."""
        try:
            plain = json.loads(path.read_bytes())
            if plain.pop("sha256") != digest(plain):
                raise PackDamaged(f"The checksum of {path.name} does not match.", folder=str(path.parent))
            files = {name: FileSum(**plain["files"][name]) for name in (FRAMES, FLOW)}
            return MappedHeader(**{**plain, "files": files})
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise PackDamaged(f"{path.name} cannot be read: {error!r}.", folder=str(path.parent)) from error


def read_mapped(folder: Path) -> MappedHeader:
    """What a mapped form says of itself; every byte is read and its checksums are compared.

    Raises:
        PackDamaged: something is missing, cut short or garbled.
    """
    header = MappedHeader.read(folder / HEADER)
    for name, expected in header.files.items():
        check_file(folder / name, expected, verify=True)
    return header
