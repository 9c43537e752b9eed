"""Tensors on the wire: JSON, and the binary tensor data extension of the Open Inference Protocol.

A request or an answer is a JSON document; with the extension, the bytes of tensors follow it in their order, little-
endian, row after row, and a header says where the document ends. BYTES elements each begin with their length, 4 bytes.

Axes: N rows, S side of a crop in px.
"""

import base64
import binascii
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from api.errors import RequestInvalid
from api.schemas.inference_protocol import InferAnswer, InferRequest, TensorAnswered, TensorSent

HEADER = "Inference-Header-Content-Length"
MAX_ROWS = 256
"""Of one request."""

Batch = NDArray[np.uint8] | list[bytes]
"""(N, S, S, 3) crops, or N encoded images."""


def batch_of(request: InferRequest, rest: bytes, *, crop_px: int) -> Batch:
    """The one input of a request.

    Args:
        rest: what follows the JSON document.

    Raises:
        RequestInvalid: another name, datatype or shape than the model's, or data that do not fit it.
    """
    (sent,) = request.inputs
    known = {"crops": "UINT8", "images": "BYTES"}
    if known.get(sent.name) != sent.datatype:
        raise _refused("The input is `crops` of datatype UINT8, or `images` of datatype BYTES.")
    if sent.name == "crops" and (len(sent.shape) != 4 or sent.shape[1:] != [crop_px, crop_px, 3]):
        raise _refused(f"The shape of `crops` is [-1, {crop_px}, {crop_px}, 3], not {sent.shape}.")
    if sent.name == "images" and len(sent.shape) != 1:
        raise _refused(f"The shape of `images` is [-1], not {sent.shape}.")
    if not 1 <= sent.shape[0] <= MAX_ROWS:
        raise _refused(f"A batch has 1 to {MAX_ROWS} rows, not {sent.shape[0]}.")
    binary = _binary_part(sent, rest)
    if sent.name == "crops":
        return _crops(sent, binary)
    return _images(sent, binary)


def wants_binary(request: InferRequest, name: str) -> bool:
    """Whether an output is to follow the document; each output says so, or the request for all."""
    for asked in request.outputs or ():
        if asked.name == name and "binary_data" in asked.parameters:
            return asked.parameters["binary_data"] is True
    return request.parameters.get("binary_data_output") is True


def answer_of(
    request: InferRequest, outputs: Mapping[str, NDArray[np.float32]], *, model: str, version: str
) -> tuple[bytes, int | None]:
    """The body of an answer, and how long its JSON document is where tensors follow it."""
    tensors, tail = [], []
    for name, array in outputs.items():
        tensor = TensorAnswered(name=name, datatype="FP32", shape=list(array.shape))
        if wants_binary(request, name):
            tail.append(np.ascontiguousarray(array, "<f4").tobytes())
            tensor.parameters = {"binary_data_size": len(tail[-1])}
        else:
            tensor.data = array.ravel().tolist()
        tensors.append(tensor)
    answer = InferAnswer(model_name=model, model_version=version, id=request.id, outputs=tensors)
    document = answer.model_dump_json(exclude_none=True).encode()
    return b"".join([document, *tail]), len(document) if tail else None


def _binary_part(sent: TensorSent, rest: bytes) -> bytes | None:
    """What follows the document for a tensor; None: its data are in the document."""
    size = sent.parameters.get("binary_data_size")
    if (size is None) == (sent.data is None):
        raise _refused(f"`{sent.name}` has either `data` or the parameter `binary_data_size`.")
    if len(rest) != (size or 0):
        raise _refused(f"{len(rest)} bytes follow the JSON document; `binary_data_size` says {size or 0}.")
    return None if size is None else rest


def _crops(sent: TensorSent, binary: bytes | None) -> NDArray[np.uint8]:
    if binary is not None:
        flat = np.frombuffer(binary, np.uint8)
    else:
        try:
            found = np.array(sent.data)
        except ValueError as error:
            raise _refused("The rows of `crops` differ in length.") from error
        whole = found.dtype.kind in "iu" and found.size > 0 and found.min() >= 0 and found.max() <= 255
        if not whole:
            raise _refused("UINT8 data are whole numbers from 0 to 255.")
        flat = found.astype(np.uint8).ravel()
    if flat.size != np.prod(sent.shape, dtype=np.int64):
        raise _refused(f"`crops` has {flat.size} numbers, which is not what its shape {sent.shape} says.")
    return flat.reshape(sent.shape)


def _images(sent: TensorSent, binary: bytes | None) -> list[bytes]:
    images = _from_base64(sent.data or []) if binary is None else _counted(binary)
    if len(images) != sent.shape[0]:
        raise _refused(f"`images` has {len(images)} elements, which is not what its shape {sent.shape} says.")
    return images


def _from_base64(data: list[Any]) -> list[bytes]:
    try:
        return [base64.b64decode(text, validate=True) for text in data]
    except (binascii.Error, ValueError, TypeError) as error:
        raise _refused("BYTES data in JSON are base64 text.") from error


def _counted(binary: bytes) -> list[bytes]:
    """Elements that each begin with their length."""
    found, place = [], 0
    while place < len(binary):
        length = int.from_bytes(binary[place : place + 4], "little")
        element = binary[place + 4 : place + 4 + length]
        if len(element) != length:
            raise _refused("An element of BYTES data is cut off.")
        found.append(element)
        place += 4 + length
    return found


def _refused(message: str) -> RequestInvalid:
    return RequestInvalid(message, field="inputs")
