"""What reading imports asks of the caller, who alone does I/O."""

from __future__ import annotations

from typing import Protocol


class BakeFault(Exception):
    """Bake refused a file; ``line`` and ``column`` are 1-based, or 1 where it named no place."""

    def __init__(self, message: str, line: int = 1, column: int = 1) -> None:
        super().__init__(message)
        self.message = message
        self.line = line
        self.column = column


class ImportSource(Protocol):
    """Files beside the configuration, and the program that understands bake's."""

    def read(self, path: str) -> bytes | None:
        """Return a file's bytes, ``None`` where there is none; ``path`` is relative to the configuration's directory.

        At most a little more than is ever parsed (see ``document.MAX_BYTES``) needs to be returned.
        """
        ...

    def bake(self, data: bytes) -> bytes:
        """Return what ``docker buildx bake --print`` says about a bake file's bytes.

        Raises BakeFault where bake refuses them, EngineUnreachable where there is no buildx.
        """
        ...


class _NoSource:
    def read(self, path: str) -> bytes | None:
        del path
        return None

    def bake(self, data: bytes) -> bytes:
        del data
        raise BakeFault("there is no buildx to read it")


NO_SOURCE: ImportSource = _NoSource()
"""For callers who have no files: every import is missing."""
