"""The files of ``imports:``, from the disk or from a commit's tree, and bake to read its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline_kit.named_tuple import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class ImportedFiles(NamedTuple):
    """See :class:`pipeline_kit.config.imports.source.ImportSource`.

    ``read_file`` answers for paths relative to the configuration's directory.
    """

    read_file: Callable[[str], bytes | None]
    environ: Mapping[str, str]

    def read(self, path: str) -> bytes | None:
        """Return a file's bytes, ``None`` where there is none. Raises InputError where it cannot be read."""
        return self.read_file(path)

    def bake(self, data: bytes) -> bytes:
        """Return bake's word on a bake file. Raises BakeFault and EngineUnreachable."""
        from pipeline_kit.adapters.builders.bake_print import print_bake

        return print_bake(data, self.environ)
