"""Dockerfiles as ``pipeline-kit init`` sees them: what they copy, and which images they name."""

from __future__ import annotations

import re
from functools import cache
from itertools import chain
from typing import TYPE_CHECKING

from pipeline_kit.config.starting.found import Examined, ImageUse, Read
from pipeline_kit.dockerfile import Dockerfile, Uses, parse, uses
from pipeline_kit.dockerfile.instructions import Copy
from pipeline_kit.dockerfile.sources import clean, is_glob, is_remote
from pipeline_kit.errors import DockerfileError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from pipeline_kit.config.starting.found import Examine

_PLATFORM = "linux/amd64"
_NEEDS = re.compile(r"it needs a value for (.+)")
_WINDOWS = ("mcr.microsoft.com/windows", "mcr.microsoft.com/dotnet/framework")


def examiner(read_file: Callable[[str], bytes | None], exists: Callable[[str], bool]) -> Examine:
    """Return what examines Dockerfiles, each once; both functions take paths relative to the configuration."""

    @cache
    def read(path: str) -> Dockerfile | str:
        if not path.isprintable():
            return "its name holds what no configuration can"
        if path.startswith(("/", "../")):
            return f"{path} lies outside"
        data = read_file(path)
        if data is None:
            return f"{path} cannot be read" if exists(path) else f"{path} does not exist"
        try:
            return parse(data, path)
        except DockerfileError as error:
            return _short(path, error)

    def examine(path: str, target: str | None, args: Mapping[str, str]) -> Examined:
        dockerfile = read(path)
        return Examined(problem=dockerfile) if isinstance(dockerfile, str) else _examine(dockerfile, target, args)

    return examine


def _examine(dockerfile: Dockerfile, target: str | None, args: Mapping[str, str]) -> Examined:
    if dockerfile.unreadable is not None:
        return Examined(stages=())
    try:
        used = uses(dockerfile, target=target, args=args, platforms=[_PLATFORM], contexts=())
    except DockerfileError as error:
        return Examined(problem=_short(dockerfile.name, error))
    windows = next((use.reference for use in used.images if use.reference.startswith(_WINDOWS)), None)
    if windows is not None:
        return Examined(problem=f"it needs a Windows builder: {windows}")
    unresolved = next((f"line {it.line}: {it.text}: {it.why}" for it in used.unresolved), "")
    needs = [found[1].split(", ") for it in used.unresolved if (found := _NEEDS.fullmatch(it.why))]
    return Examined(
        reads=tuple(_reads(dockerfile, used)),
        images=tuple(ImageUse(use.reference, use.line, use.kind) for use in used.images),
        stages=tuple(stage.name or "" for stage in dockerfile.stages),
        unresolved=unresolved,
        needs=tuple(dict.fromkeys(chain(*needs))) if len(needs) == len(used.unresolved) else (),
    )


def _reads(dockerfile: Dockerfile, used: Uses) -> Iterator[Read]:
    """Yield what is read from the main context; where that is not fully understood, what is plain to see of it."""
    for read in used.reads or ():
        if read.context is None:
            yield Read(read.pattern, read.is_glob or read.parents, read.line)
    if used.reads is not None:
        return
    for stage in dockerfile.stages:
        for step in stage.instructions:
            for source in step.sources if isinstance(step, Copy) and not step.origin else ():
                if "$" not in source and not is_remote(source):
                    yield Read(clean(source), is_glob(source), step.line)


def _short(path: str, error: DockerfileError) -> str:
    rest = error.message.removeprefix(f"{path}:")
    return f"line {rest}" if rest != error.message and rest[:1].isdigit() else rest.strip()
