"""Files on their way: opened late, closed early, sent again from the start."""

import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pfa_client.files import LateFile, parts


@given(content=st.binary(max_size=300), sizes=st.lists(st.integers(1, 100), min_size=1, max_size=20))
def test_reading_in_any_pieces_gives_the_file(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, sizes: list[int]
) -> None:
    path = tmp_path_factory.mktemp("late") / "f"
    path.write_bytes(content)
    with LateFile(path) as file:
        assert file.seek(0, io.SEEK_END) == len(content)
        file.seek(0)
        read = b"".join(file.read(size) for size in sizes)
        assert read == content[: sum(sizes)]
        file.seek(0)
        assert file.read() == content
        assert file.read(10) == b""


def test_a_file_is_open_only_while_it_is_read(tmp_path: Path) -> None:
    paths = [tmp_path / str(number) for number in range(3000)]  # more than a process may usually open
    for path in paths:
        path.write_bytes(b"x")
    files = parts("files", paths)
    assert [content[1].read() for _, content in files] == [b"x"] * 3000


def test_names_are_relative_to_the_root(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "a.png").write_bytes(b"x")
    ((field, (name, _, media_type)),) = parts("files", [tmp_path / "images" / "a.png"], root=tmp_path)
    assert (field, name, media_type) == ("files", "images/a.png", "image/png")
