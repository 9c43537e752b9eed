"""What the libraries say when memory runs out, on a GPU or on the machine. Free of torch."""

from pfa_core.errors import OutOfMemory

_WORDS = ("out of memory", "can't allocate memory", "cannot allocate memory", "ALLOC_FAILED")
"""CUDA's allocator, torch's on the CPU, the operating system, cuBLAS and cuDNN: all of them RuntimeErrors in torch."""

ADVICE = "Set config.learn.batch_size lower, take a smaller network, or run it where there is more memory."


def out_of_memory(error: BaseException) -> OutOfMemory | None:
    """The error of ours for one that says that memory ran out; None for any other."""
    said = str(error).partition("\n")[0].rstrip(".")
    if not isinstance(error, MemoryError) and not (isinstance(error, RuntimeError) and any(w in said for w in _WORDS)):
        return None
    return OutOfMemory(f"Memory ran out ({said or 'no memory is left'}). {ADVICE}")
