"""Tensors in safetensors files, whose errors are those that Python's own files have."""

import re
from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor


def save_tensors(tensors: Mapping[str, Tensor], path: Path, *, metadata: Mapping[str, str] | None = None) -> None:
    """Write tensors, wherever they are and however they lie, to a file, with texts in its header.

    Raises:
        OSError: the file cannot be written, with the system's number: ENOSPC when the disk is full.
    """
    try:
        save_file(
            {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, path, dict(metadata or {})
        )
    except SafetensorError as error:
        number = re.search(r"\(os error (\d+)\)", str(error))
        if number is None:
            raise
        raise OSError(int(number[1]), str(error), str(path)) from error
