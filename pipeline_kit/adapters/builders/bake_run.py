"""One run of ``docker buildx bake``: definition in, events while it goes, metadata out."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline_kit.adapters.builders.child import run_lines
from pipeline_kit.adapters.builders.progress import ProgressReader
from pipeline_kit.values import value_class

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pipeline_kit.adapters.builders.bake import BakeDefinition
    from pipeline_kit.adapters.builders.capabilities import Capabilities
    from pipeline_kit.ports.builder import BuildEvent, BuildRequest

# From this version bake asks to be allowed each path outside its working directory, and the use of an ssh agent.
_ENTITLEMENTS = (0, 19, 0)
_LOCAL_CACHE = "type=local"


@value_class()
class BakeRun:
    """How a run ended: its exit code, all that was read, and each exported image's digest by name."""

    code: int
    reader: ProgressReader
    digests: Mapping[str, str]


@value_class()
class Bake:
    """The command: the docker program, the builder behind it (``name``, else the current one), and its environment."""

    docker: str
    capabilities: Capabilities
    environ: Mapping[str, str]
    name: str | None = None

    def run(
        self,
        definition: BakeDefinition,
        requests: Sequence[BuildRequest],
        on_event: Callable[[BuildEvent], None],
    ) -> BakeRun:
        """Run bake once. Nothing of it is left behind, whatever is raised meanwhile. Raises EngineUnreachable."""
        reader = ProgressReader(definition.images, definition.graph)

        def read(line: str) -> None:
            for event in reader.feed(line):
                on_event(event)

        with tempfile.TemporaryDirectory(prefix="pipeline-kit-bake-") as scratch:
            metadata = Path(scratch) / "metadata.json"
            code = run_lines(
                self._argv(metadata, requests),
                stdin=definition.text.encode("ascii"),
                environ=self.environ,
                folder=Path(scratch),
                on_line=read,
            )
            for event in reader.finish():
                on_event(event)
            return BakeRun(code, reader, _digests(metadata, definition.images))

    def _argv(self, metadata: Path, requests: Sequence[BuildRequest]) -> list[str]:
        builder = ["--builder", self.name] if self.name else []
        argv = [self.docker, "buildx", "bake", *builder, "--file", "-", "--progress", "rawjson"]
        return [*argv, "--metadata-file", str(metadata), *self._allowed(requests)]

    def _allowed(self, requests: Sequence[BuildRequest]) -> list[str]:
        if self.capabilities.version < _ENTITLEMENTS:
            return []
        allowed = ["--allow", "fs.read=*"]
        if any(_LOCAL_CACHE in entry for request in requests for entry in request.cache_to):
            allowed += ["--allow", "fs.write=*"]
        if any(request.ssh for request in requests):
            allowed += ["--allow", "ssh"]
        return allowed


def _digests(metadata: Path, images: Mapping[str, str]) -> dict[str, str]:
    """Return the digests in a metadata file; buildx writes none when any target failed."""
    try:
        document = json.loads(metadata.read_bytes())
    except (OSError, ValueError):
        return {}
    found = document if isinstance(document, dict) else {}
    digests = {images[target]: _digest(found[target]) for target in found if target in images}
    return {name: digest for name, digest in digests.items() if digest}


def _digest(member: object) -> str:
    value = member.get("containerimage.digest") if isinstance(member, dict) else None
    return value if isinstance(value, str) else ""
