"""Tensors on the wire. The bytes are laid out by hand, as the protocol's documents say."""

import base64
import json
import struct

import numpy as np
import pytest

from api.errors import RequestInvalid
from api.inference.tensors import MAX_ROWS, answer_of, batch_of
from api.schemas.inference_protocol import InferRequest

CROPS = np.arange(2 * 2 * 2 * 3, dtype=np.uint8).reshape(2, 2, 2, 3)


def request(**tensor: object) -> InferRequest:
    return InferRequest.model_validate({"id": "7", "inputs": [tensor]})


@pytest.mark.parametrize("nested", [True, False])
def test_crops_come_in_json(nested: bool) -> None:
    data = CROPS.tolist() if nested else CROPS.ravel().tolist()
    sent = request(name="crops", datatype="UINT8", shape=[2, 2, 2, 3], data=data)
    np.testing.assert_array_equal(batch_of(sent, b"", crop_px=2), CROPS)


def test_crops_come_as_bytes() -> None:
    sent = request(name="crops", datatype="UINT8", shape=[2, 2, 2, 3], parameters={"binary_data_size": 24})
    np.testing.assert_array_equal(batch_of(sent, bytes(range(24)), crop_px=2), CROPS)


def test_images_come_either_way() -> None:
    images = [b"\xff\xd8one", b"", b"\x00two"]
    text = [base64.b64encode(image).decode() for image in images]
    sent = request(name="images", datatype="BYTES", shape=[3], data=text)
    assert batch_of(sent, b"", crop_px=2) == images
    binary = b"".join(struct.pack("<I", len(image)) + image for image in images)
    sent = request(name="images", datatype="BYTES", shape=[3], parameters={"binary_data_size": len(binary)})
    assert batch_of(sent, binary, crop_px=2) == images


GOOD: dict[str, object] = {"name": "crops", "datatype": "UINT8", "shape": [1, 2, 2, 3], "data": [0] * 12}
BAD: dict[str, tuple[dict[str, object], bytes]] = {
    "name": ({**GOOD, "name": "frames"}, b""),
    "datatype": ({**GOOD, "datatype": "FP32"}, b""),
    "side": ({**GOOD, "shape": [1, 3, 2, 3]}, b""),
    "axes": ({**GOOD, "shape": [2, 2, 3]}, b""),
    "no rows": ({**GOOD, "shape": [0, 2, 2, 3], "data": []}, b""),
    "too many rows": ({**GOOD, "shape": [MAX_ROWS + 1, 2, 2, 3]}, b""),
    "too few numbers": ({**GOOD, "data": [0] * 11}, b""),
    "ragged": ({**GOOD, "data": [[1, 2], [3]]}, b""),
    "negative": ({**GOOD, "data": [-1] * 12}, b""),
    "over 255": ({**GOOD, "data": [256] * 12}, b""),
    "fractions": ({**GOOD, "data": [0.5] * 12}, b""),
    "text": ({**GOOD, "data": ["a"] * 12}, b""),
    "booleans": ({**GOOD, "data": [True] * 12}, b""),
    "neither": ({**GOOD, "data": None}, b""),
    "both": ({**GOOD, "parameters": {"binary_data_size": 12}}, bytes(12)),
    "short": ({**GOOD, "data": None, "parameters": {"binary_data_size": 12}}, bytes(11)),
    "size is text": ({**GOOD, "data": None, "parameters": {"binary_data_size": "12"}}, bytes(12)),
    "unasked bytes": (GOOD, bytes(3)),
    "not base64": ({"name": "images", "datatype": "BYTES", "shape": [1], "data": ["?"]}, b""),
    "numbers as images": ({"name": "images", "datatype": "BYTES", "shape": [1], "data": [1]}, b""),
    "other count": ({"name": "images", "datatype": "BYTES", "shape": [2], "data": [""]}, b""),
    "cut element": (
        {"name": "images", "datatype": "BYTES", "shape": [1], "parameters": {"binary_data_size": 6}}, b"\x09\0\0\0ab",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("tensor", "rest"), BAD.values(), ids=BAD)
def test_what_does_not_fit_is_refused(tensor: dict[str, object], rest: bytes) -> None:
    with pytest.raises(RequestInvalid):
        batch_of(request(**tensor), rest, crop_px=2)


def test_answers_are_json_or_bytes_as_each_is_asked_for() -> None:
    first, second = np.array([[1, 2.5]], np.float32), np.array([3, 4], np.float32)
    asked = InferRequest.model_validate({
        "id": "7", "inputs": [GOOD],
        "outputs": [{"name": "a", "parameters": {"binary_data": True}}, {"name": "b"}],
    })  # fmt: skip
    body, end = answer_of(asked, {"a": first, "b": second}, model="m", version="2")
    assert end is not None
    assert json.loads(body[:end]) == {
        "model_name": "m", "model_version": "2", "id": "7",
        "outputs": [
            {"name": "a", "datatype": "FP32", "shape": [1, 2], "parameters": {"binary_data_size": 8}},
            {"name": "b", "datatype": "FP32", "shape": [2], "data": [3, 4]},
        ],
    }  # fmt: skip
    assert body[end:] == struct.pack("<2f", 1, 2.5)
    every = InferRequest.model_validate({"inputs": [GOOD], "parameters": {"binary_data_output": True}})
    body, end = answer_of(every, {"a": first, "b": second}, model="m", version="2")
    assert end is not None
    assert body[end:] == struct.pack("<4f", 1, 2.5, 3, 4)
    body, end = answer_of(InferRequest.model_validate({"inputs": [GOOD]}), {"b": second}, model="m", version="2")
    assert (end, json.loads(body)["outputs"][0]["data"]) == (None, [3, 4])
