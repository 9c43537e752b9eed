"""The child process: what it may do, and that nothing of it is left whatever happens."""

import ctypes
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pfa_core.errors import DecodeTimeout, VideoTooLarge, VideoUnreadable, VideoUnsupported
from pfa_core.video.decode import read_frames
from pfa_core.video.limits import DecodeLimits
from tests.processes import alive, children_of
from tests.unit.pfa_core.video_maker import moving_square, write_mpeg4

LIMITS = DecodeLimits(timeout_s=60)
IN_OPEN = 0x20
"""From <sys/inotify.h>."""


def children() -> set[int]:
    """Processes started by this one that exist, zombies too."""
    return set(children_of(os.getpid()))


def wait_until(condition: Callable[[], bool], deadline_s: float = 20) -> bool:
    end = time.monotonic() + deadline_s
    while not condition():
        if time.monotonic() > end:
            return False
        os.sched_yield()
    return True


@pytest.fixture
def video(tmp_path: Path) -> Path:
    """Too long for its frames to fit into the pipe: the child is at work until it is asked for the last of them."""
    return write_mpeg4(tmp_path / "a.avi", moving_square(num_frames=100, size=(160, 200)))


def test_closing_early_leaves_nothing(video: Path) -> None:
    before = children()
    frames = read_frames(video, limits=LIMITS)
    next(frames)
    assert len(children() - before) == 1
    frames.close()
    assert children() == before


def test_reading_to_the_end_leaves_nothing(video: Path) -> None:
    before = children()
    assert len(list(read_frames(video, limits=LIMITS))) == 100
    assert children() == before


def test_the_child_has_given_up_its_rights(video: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PFA_BROKER_URL", "redis://:secret@somewhere")
    before = children()
    frames = read_frames(video, limits=LIMITS)
    next(frames)
    (child,) = children() - before
    limits = Path(f"/proc/{child}/limits").read_text()
    rows = {line[:25].strip(): line[25:].split()[:2] for line in limits.splitlines()[1:]}
    assert rows["Max file size"] == ["0", "0"]
    assert rows["Max core file size"] == ["0", "0"]
    assert rows["Max address space"] == [str(LIMITS.memory_bytes)] * 2
    assert rows["Max open files"] == ["32", "32"]
    assert rows["Max cpu time"] == ["61", "61"]
    assert b"secret" not in Path(f"/proc/{child}/environ").read_bytes()
    assert "NoNewPrivs:\t1" in Path(f"/proc/{child}/status").read_text()
    frames.close()


def test_a_child_that_hangs_is_ended(video: Path) -> None:
    before = children()
    frames = read_frames(video, limits=DecodeLimits(timeout_s=5))
    next(frames)
    (child,) = children() - before
    os.kill(child, signal.SIGSTOP)
    with pytest.raises(DecodeTimeout, match="5 s"):
        list(frames)
    assert children() == before


def test_a_crash_of_the_decoder_is_the_videos_fault(video: Path) -> None:
    before = children()
    frames = read_frames(video, limits=LIMITS)
    next(frames)
    (child,) = children() - before
    os.kill(child, signal.SIGSEGV)
    with pytest.raises(VideoUnreadable, match="SIGSEGV"):
        list(frames)
    assert children() == before


def test_the_child_dies_with_its_parent(video: Path) -> None:
    script = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from pfa_core.video.decode import read_frames\n"
        "from pfa_core.video.limits import DecodeLimits\n"
        "frames = read_frames(Path(sys.argv[1]), limits=DecodeLimits())\n"
        "next(frames)\n"
        "print(Path('/proc/self/task').joinpath(str(__import__('os').getpid()), 'children').read_text(), flush=True)\n"
        "time.sleep(600)\n"
    )
    root = Path(__file__).resolve().parents[3]
    with subprocess.Popen([sys.executable, "-c", script, str(video)], stdout=subprocess.PIPE, cwd=root) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        parent.kill()
    assert wait_until(lambda: not alive(child))


def playlist(segment: str) -> bytes:
    return f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{segment}\n#EXT-X-ENDLIST\n".encode()


def concatenation(segment: str) -> bytes:
    return f"ffconcat version 1.0\nfile '{segment}'\n".encode()


def manifest(segment: str) -> bytes:
    return (
        '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static"><Period><AdaptationSet>'
        f'<Representation id="0" mimeType="video/mp4" bandwidth="1"><BaseURL>{segment}</BaseURL></Representation>'
        "</AdaptationSet></Period></MPD>"
    ).encode()


MP4_HEAD = b"\0\0\0\x10ftypisom\0\0\2\0"
AVI_HEAD = b"RIFF\xff\0\0\0AVI \n"
MKV_HEAD = b"\x1a\x45\xdf\xa3\n"


@pytest.mark.parametrize("head", [b"", MP4_HEAD, AVI_HEAD, MKV_HEAD])
@pytest.mark.parametrize("text_of", [playlist, concatenation, manifest])
def test_a_playlist_in_disguise_opens_no_file_and_no_socket(
    tmp_path: Path, head: bytes, text_of: Callable[[str], bytes]
) -> None:
    bait = tmp_path / "bait.ts"
    bait.write_bytes(bytes(188))
    disguised = tmp_path / "a.mp4"
    with socket.create_server(("127.0.0.1", 0)) as server, opening_is_told(bait) as was_opened:
        for segment in (bait.as_uri(), str(bait), f"http://127.0.0.1:{server.getsockname()[1]}/bait.ts"):
            disguised.write_bytes(head + text_of(segment))
            with pytest.raises((VideoUnreadable, VideoUnsupported)):
                list(read_frames(disguised, limits=LIMITS))
        assert not was_opened()
        assert select.select([server], [], [], 0)[0] == []  # the kernel would have taken the connection for us


@contextmanager
def opening_is_told(path: Path) -> Iterator[Callable[[], bool]]:
    """Whether somebody has opened the file: inotify remembers it, however short it was."""
    libc = ctypes.CDLL(None, use_errno=True)
    watcher = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
    assert watcher >= 0
    assert libc.inotify_add_watch(watcher, bytes(path), IN_OPEN) >= 0
    try:
        yield lambda: select.select([watcher], [], [], 0)[0] != []
    finally:
        os.close(watcher)


def test_the_bait_of_the_test_above_works(tmp_path: Path) -> None:
    bait = tmp_path / "bait"
    bait.touch()
    with opening_is_told(bait) as was_opened:
        assert not was_opened()
        bait.read_bytes()
        assert was_opened()


def test_ffmpeg_without_the_sandbox_takes_the_bait(tmp_path: Path) -> None:
    """The playlists are ones that FFmpeg follows, where it is let: the tests above prove something."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        (tmp_path / "a.m3u8").write_bytes(playlist(f"http://127.0.0.1:{server.getsockname()[1]}/bait.ts"))
        script = "import av, sys; av.open(sys.argv[1], timeout=5, options={'protocol_whitelist': 'file,http,tcp'})"
        with subprocess.Popen(
            [sys.executable, "-c", script, str(tmp_path / "a.m3u8")], stderr=subprocess.DEVNULL
        ) as careless:
            assert select.select([server], [], [], 30)[0] == [server]
            careless.kill()


@pytest.mark.parametrize("mebibytes", [200, 280])  # too few for the decoder's frame; for its RGB copy
def test_too_little_memory_is_said_so(tmp_path: Path, mebibytes: int) -> None:
    path = write_mpeg4(tmp_path / "a.avi", moving_square(num_frames=1, size=(6000, 6000)))  # 108 MB as RGB
    limits = DecodeLimits(timeout_s=60, max_pixels=6000 * 6000, memory_bytes=mebibytes * 2**20)
    with pytest.raises(VideoTooLarge, match="memory"):
        list(read_frames(path, limits=limits))
