"""An annotation file as it was sent, in the three shapes that formats are read from."""

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath
from typing import Any

from pfa_core.errors import AnnotationsInvalid
from pfa_core.importers.mat import Value, is_mat, read_mat


@dataclass(frozen=True)
class Source:
    """A file of annotations: its name as the sender wrote it, and its bytes."""

    name: str
    data: bytes

    @property
    def parts(self) -> tuple[str, ...]:
        """The parts of its name; some formats say by folder or file name what their content does not."""
        return PurePosixPath(self.name.replace("\\", "/")).parts

    @cached_property
    def text(self) -> str:
        """Raises: AnnotationsInvalid: it is not UTF-8."""
        try:
            return self.data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise AnnotationsInvalid(f"{self.name}: the annotations are not UTF-8: {error}.") from error

    @cached_property
    def lines(self) -> tuple[str, ...]:
        """Its lines without those that are blank; none where it is not text."""
        if self.is_mat or b"\0" in self.data:
            return ()
        return tuple(line.strip() for line in self.text.splitlines() if line.strip())

    @property
    def is_mat(self) -> bool:
        """Whether it is a MATLAB file."""
        return is_mat(self.data)

    @cached_property
    def mat(self) -> dict[str, Value]:
        """Its variables, empty where it is no MATLAB file. Raises: AnnotationsInvalid: it is one and does not read."""
        try:
            return read_mat(self.data) if self.is_mat else {}
        except AnnotationsInvalid as error:
            raise AnnotationsInvalid(f"{self.name}: {error}") from error

    @property
    def is_json(self) -> bool:
        """Whether it begins like JSON."""
        return self.data.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] in (b"{", b"[")

    @cached_property
    def json(self) -> dict[str, Any]:
        """Its object. Raises: AnnotationsInvalid: it is no JSON object."""
        try:
            plain = json.loads(self.text)
        except (ValueError, RecursionError) as error:
            raise AnnotationsInvalid(f"The annotations are not JSON: {error}.") from error
        if not isinstance(plain, dict):
            raise AnnotationsInvalid("The JSON must be an object.")
        return plain
