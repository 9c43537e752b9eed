"""Zip archives: honest ones unpack, others are refused before they cost anything."""

import io
import stat
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from api.archives import RATIO_FROM_BYTES, ArchiveLimits, is_archive, unpack
from api.errors import ArchiveInvalid, PayloadTooLarge

MIB = 2**20
LIMITS = ArchiveLimits(max_members=5, max_total_bytes=100 * MIB, max_member_bytes=90 * MIB)


def zipped(members: Mapping[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def unpacked(data: bytes, folder: Path, *, limits: ArchiveLimits = LIMITS) -> dict[str, bytes]:
    (folder / "a.zip").write_bytes(data)
    out = folder / "out"
    out.mkdir()
    members = unpack(folder / "a.zip", out, limits=limits, require_space=lambda _bytes: None)
    found = {member.name: member.path.read_bytes() for member in members}
    assert {path.name for path in folder.iterdir()} == {"a.zip", "out"}
    return found


def test_files_keep_their_relative_names_and_hidden_ones_are_left_out(tmp_path: Path) -> None:
    data = zipped({"walk/one.mp4": b"1", "two.jpg": b"22", "__MACOSX/x": b"", "a/.DS_Store": b"", "walk/": b""})
    assert unpacked(data, tmp_path) == {"walk/one.mp4": b"1", "two.jpg": b"22"}
    assert is_archive(data[:16])


@pytest.mark.parametrize("name", ["../evil.mp4", "a/../../evil.mp4", "/etc/evil", "C:/evil", "..\\evil"])
def test_a_name_that_leads_out_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ArchiveInvalid, match="leads out"):
        unpacked(zipped({name: b"x"}), tmp_path)


def test_a_link_in_an_archive_is_just_a_file(tmp_path: Path) -> None:
    link = zipfile.ZipInfo("link")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(link, "/etc/passwd")
    assert unpacked(buffer.getvalue(), tmp_path) == {"link": b"/etc/passwd"}
    assert not any(path.is_symlink() for path in (tmp_path / "out").iterdir())


def test_a_bomb_is_refused_by_its_ratio(tmp_path: Path) -> None:
    bomb = zipped({"zeros": bytes(RATIO_FROM_BYTES + MIB)}, zipfile.ZIP_DEFLATED)
    with pytest.raises(PayloadTooLarge, match="times its size"):
        unpacked(bomb, tmp_path)


@pytest.mark.parametrize(
    ("limits", "says"),
    [
        (ArchiveLimits(max_members=1, max_total_bytes=MIB, max_member_bytes=MIB), "2 files"),
        (ArchiveLimits(max_members=5, max_total_bytes=5, max_member_bytes=MIB), "more than 5 bytes"),
        (ArchiveLimits(max_members=5, max_total_bytes=MIB, max_member_bytes=3), "larger than 3"),
    ],
)
def test_every_cap_holds(tmp_path: Path, limits: ArchiveLimits, says: str) -> None:
    with pytest.raises(PayloadTooLarge, match=says):
        unpacked(zipped({"a": b"1234", "b": b"5678"}), tmp_path, limits=limits)


@pytest.mark.parametrize(
    "data",
    [
        zipped({"a": b"1234" * 100})[:200],
        b"PK\x03\x04 and nothing",
        zipped({"a": b"1234" * 100}).replace(b"1234", b"4321", 1),
    ],
    ids=["cut", "nonsense", "checksum"],
)
def test_damage_is_refused(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(ArchiveInvalid):
        unpacked(data, tmp_path)


def test_an_encrypted_member_is_refused(tmp_path: Path) -> None:
    data = bytearray(zipped({"a": b"1234"}))
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(signature) + offset] |= 1
    with pytest.raises(ArchiveInvalid, match="encrypted"):
        unpacked(bytes(data), tmp_path)
