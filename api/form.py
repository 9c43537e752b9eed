"""What a multipart form may hold, and what it held."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from api.errors import RequestInvalid
from pfa_store.quota import Allowance

FLUSH_BYTES = 2**20
"""What of a file is held back in memory before it is written out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FormLimits:
    """What a form may hold."""

    files: frozenset[str]
    """Names of the fields that are files."""
    fields: frozenset[str] = frozenset()
    """Names of the fields that are text."""
    max_file_bytes: int
    max_files: int = 100_000
    max_field_bytes: int = 2**20
    in_memory_bytes: int | None = None
    """A file of at most so many bytes (FLUSH_BYTES at most) stays in memory; None: every file goes to disk."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivedFile:
    """A file of a form, until the request ends."""

    field: str
    filename: str
    """As the sender wrote it: a label, never a path to open."""
    content_type: str
    content: Path | bytes
    """On disk, or where `in_memory_bytes` allows it in memory."""
    num_bytes: int

    @property
    def path(self) -> Path:
        """Where it lies, for forms whose files never stay in memory."""
        assert isinstance(self.content, Path)
        return self.content


@dataclass(frozen=True, slots=True)
class ReceivedForm:
    """Everything that a form held."""

    fields: Mapping[str, str]
    files: tuple[ReceivedFile, ...]
    allowance: Allowance | None = None
    """Counts what of it is to be kept."""

    def files_of(self, name: str) -> list[ReceivedFile]:
        """The files of one field, in the order sent."""
        return [file for file in self.files if file.field == name]

    def only_file(self, name: str) -> ReceivedFile:
        """The one file of a field.

        Raises:
            RequestInvalid: none, or several.
        """
        files = self.files_of(name)
        if len(files) != 1:
            raise RequestInvalid(f"The form must have one file in its field {name!r}; it has {len(files)}.")
        return files[0]
