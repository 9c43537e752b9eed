"""What the machine says of processes, any of which may end while it is asked."""

from pathlib import Path


def children_of(parent: int) -> list[int]:
    """The processes that a process (any of its threads) has started and not waited for, zombies too; oldest first.

    Each process is asked for its parent. The lists of children of the parent's threads would miss one
    whose thread ends meanwhile: the kernel moves it to another thread's list.
    """
    return sorted(
        int(folder.name) for folder in Path("/proc").iterdir() if folder.name.isdigit() and _parent(folder) == parent
    )


def parent_of(pid: int) -> int:
    """Who started a process; 0 if it is gone."""
    return _parent(Path(f"/proc/{pid}"))


def alive(pid: int) -> bool:
    """Whether a process runs; one that ended and was not waited for does not."""
    return _stat(Path(f"/proc/{pid}"))[0] != "Z"


def command_of(pid: int) -> bytes:
    """Its arguments with zero bytes between them; empty once it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def _parent(folder: Path) -> int:
    return int(_stat(folder)[1])


def _stat(folder: Path) -> list[str]:
    """Its state, its parent and more; as of a zombie once it is gone."""
    try:
        return (folder / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ["Z", "0"]
