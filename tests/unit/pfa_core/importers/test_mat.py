"""The reader of MATLAB files: what SciPy writes is read, and whatever else arrives is refused with a reason."""

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.io import loadmat

from pfa_core.errors import AnnotationsInvalid
from pfa_core.importers.mat import HDF5_MAGIC, HEADER_BYTES, is_mat, read_mat
from tests.unit.pfa_core.importers.published import flic_example, mat, mpii_person, mpii_release, structs

DTYPES = [np.uint8, np.int8, np.uint16, np.int16, np.uint32, np.int32, np.int64, np.float32, np.float64]
RELEASE = mpii_release([("a.jpg", [mpii_person((0, 1.0, 2.0, 1.0))], 1), ("b.jpg", [], 0)])
WHOLE = mat(
    {"examples": structs([flic_example(), flic_example(istest=True)]), "joints": np.ones((3, 14, 2)), **RELEASE}
)
BARE = mat({"examples": structs([flic_example()]), **RELEASE}, compressed=False)


@pytest.mark.parametrize("compressed", [True, False])
@given(
    array=hnp.arrays(
        st.sampled_from(DTYPES),
        hnp.array_shapes(min_dims=2, max_dims=4, min_side=1, max_side=4),
        elements=st.integers(0, 100),
    )
)
def test_numbers_are_what_scipy_reads(array: np.ndarray[Any, Any], *, compressed: bool) -> None:
    data = mat({"x": array}, compressed=compressed).data
    found = read_mat(data)["x"]
    np.testing.assert_array_equal(np.asarray(found).reshape(array.shape), loadmat(io.BytesIO(data))["x"])


def test_structs_cells_and_text() -> None:
    cells = np.empty((1, 2), dtype=object)
    cells[0, 0], cells[0, 1] = "eins", structs([{"a": 1.5}])
    found = read_mat(mat({"s": structs([{"name": "x", "n": 2.0}, {"name": "", "n": np.eye(2)}]), "c": cells}).data)
    assert [row["name"] for row in found["s"]] == ["x", ""]
    assert found["s"][0]["n"] == 2.0
    np.testing.assert_array_equal(found["s"][1]["n"], np.eye(2))
    assert found["c"] == ("eins", [{"a": 1.5}])


def test_both_byte_orders() -> None:
    head = b"MATLAB 5.0".ljust(124) + struct.pack(">H2s", 0x0100, b"MI")
    numbers = struct.pack(">IIdd", 9, 16, 1.5, -2.0)
    matrix = struct.pack(">IIIIIIiiHHcxxx", 6, 8, 6, 0, 5, 8, 1, 2, 1, 1, b"x") + numbers
    found = read_mat(head + struct.pack(">II", 14, len(matrix)) + matrix)
    np.testing.assert_array_equal(found["x"], [[1.5, -2.0]])
    np.testing.assert_array_equal(
        loadmat(io.BytesIO(head + struct.pack(">II", 14, len(matrix)) + matrix))["x"], found["x"]
    )


@pytest.mark.parametrize("data", [b"MATLAB 7.3 MAT-file".ljust(512) + HDF5_MAGIC, HDF5_MAGIC + bytes(100)])
def test_version_7_3_says_what_to_do(data: bytes) -> None:
    assert is_mat(data)
    with pytest.raises(AnnotationsInvalid, match=r"version 7\.3.*-v7"):
        read_mat(data)


@pytest.mark.parametrize("whole", [WHOLE.data, BARE.data], ids=["compressed", "bare"])
def test_every_cut_is_refused_or_ends_between_variables(whole: bytes) -> None:
    names = set(read_mat(whole))
    for length in range(0, len(whole), 7):
        try:
            found = read_mat(whole[:length])
        except AnnotationsInvalid:
            continue
        assert set(found) < names


@pytest.mark.parametrize("whole", [WHOLE.data, BARE.data], ids=["compressed", "bare"])
def test_damage_gives_a_value_or_a_reason(whole: bytes) -> None:
    rng = np.random.default_rng(0)
    num_refused = 0
    for _ in range(250):
        damaged = bytearray(whole)
        for place in rng.integers(0, len(whole), rng.integers(1, 9)):
            damaged[place] = rng.integers(0, 256)
        try:
            read_mat(bytes(damaged))
        except AnnotationsInvalid:
            num_refused += 1
    assert num_refused > 25


@given(st.binary(max_size=300))
def test_noise_behind_a_good_header_is_no_crash(noise: bytes) -> None:
    try:
        found = read_mat(WHOLE.data[:HEADER_BYTES] + noise)
    except AnnotationsInvalid:
        return
    assert isinstance(found, dict)


def test_the_element_that_crashes_other_readers_is_refused() -> None:
    """A number whose type is none of MATLAB's: SciPy 1.17 indexes a table with it and ends the process."""
    data = bytearray(mat({"x": np.ones((1, 3))}, compressed=False).data)
    place = data.rindex(struct.pack("<II", 9, 24))
    for kind in (0, 8, 10, 11, 14, 15, 19, 20, 60_000):
        data[place : place + 4] = struct.pack("<I", kind)
        with pytest.raises(AnnotationsInvalid):
            read_mat(bytes(data))


def test_what_unpacks_to_too_much_is_refused() -> None:
    bomb = zlib.compress(struct.pack("<II", 14, 50 * 2**20) + bytes(50 * 2**20))
    data = WHOLE.data[:HEADER_BYTES] + struct.pack("<II", 15, len(bomb)) + bomb
    assert len(data) < 100_000
    with pytest.raises(AnnotationsInvalid, match="unpacks to more"):
        read_mat(data, max_bytes=2**20)


@pytest.mark.parametrize("sides", [(2**31 - 1, 2**31 - 1), (-1, 2)])
def test_sizes_that_cannot_be_take_no_memory(sides: tuple[int, int]) -> None:
    cells = np.empty((1, 2), dtype=object)
    cells[0, 0] = cells[0, 1] = "x"
    data = bytearray(mat({"c": cells}, compressed=False).data)
    place = data.index(struct.pack("<IIii", 5, 8, 1, 2))
    data[place : place + 16] = struct.pack("<IIii", 5, 8, *sides)
    with pytest.raises(AnnotationsInvalid, match="damaged"):
        read_mat(bytes(data))


def test_endless_nesting_is_refused() -> None:
    value: Any = 1.0
    for _ in range(40):
        value = structs([{"a": value}])
    with pytest.raises(AnnotationsInvalid, match="nested"):
        read_mat(mat({"x": value}).data)


def test_it_runs_nothing(tmp_path: Path) -> None:
    """A pickle under MATLAB's header stays bytes."""
    canary = tmp_path / "ran"
    pickle = b"cos\nsystem\n(S'touch " + str(canary).encode() + b"'\ntR."
    with pytest.raises(AnnotationsInvalid):
        read_mat(WHOLE.data[:HEADER_BYTES] + pickle)
    assert not canary.exists()
