"""Which errors are an item's own, and how they are told."""

import errno
from pathlib import Path

import pytest

from pfa_core.errors import BoxOutsideImage, ImageUnreadable, VideoTooShort, VideoUnreadable
from pfa_core.left_out import LeftOut, nothing_usable, opening, reasons


def test_a_file_that_cannot_be_opened_is_unreadable(tmp_path: Path) -> None:
    for path in (tmp_path / "gone", tmp_path, tmp_path / ("x" * 300)):
        with pytest.raises(VideoUnreadable, match="cannot be opened"), opening(VideoUnreadable):
            path.read_bytes()


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENOMEM, errno.EAGAIN, errno.ENOSPC])
def test_what_the_machine_lacks_is_no_fault_of_the_file(number: int) -> None:
    with pytest.raises(OSError, match="full up") as caught, opening(ImageUnreadable):
        raise OSError(number, "full up")
    assert caught.value.errno == number


def test_a_record_says_what_the_error_said() -> None:
    error = VideoTooShort(num_frames=3, needed=13)
    path = Path("videos/ab.mp4")
    assert LeftOut.of(error, name="run.mp4", path=path) == LeftOut(
        name="run.mp4", code="video_too_short", message=str(error), path=path
    )


def test_an_image_with_one_bad_box_is_still_of_use() -> None:
    assert LeftOut.of(BoxOutsideImage("Outside."), name="a.png", path=Path("a.png")).path is None


def test_the_first_reasons_are_given() -> None:
    many = [LeftOut(name=f"{n}.mp4", code="video_unreadable", message=f"Bad {n}.") for n in range(7)]
    assert reasons([]) == ""
    assert reasons(many) == " 0.mp4: Bad 0. 1.mp4: Bad 1. 2.mp4: Bad 2. 3.mp4: Bad 3. 4.mp4: Bad 4."
    error = nothing_usable(many, num_items=7)
    assert str(error).startswith("None of the 7 items can be used. 0.mp4: Bad 0.")
    assert error.facts == {"left_out": [(f"{n}.mp4", "video_unreadable") for n in range(7)]}
