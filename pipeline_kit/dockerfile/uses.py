"""What a build of one target uses: images, contexts, files, build arguments, secrets (design D4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline_kit.dockerfile.environment import GlobalScope, global_scope
from pipeline_kit.dockerfile.findings import ImageUse, Unresolved, Uses
from pipeline_kit.dockerfile.graph import StageGraph
from pipeline_kit.dockerfile.stages import is_custom_frontend
from pipeline_kit.dockerfile.walk import Findings, Walk

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from pipeline_kit.dockerfile.stages import Dockerfile

_FRONTEND_ARG = "BUILDKIT_SYNTAX"
_EPOCH = "SOURCE_DATE_EPOCH"


def uses(
    dockerfile: Dockerfile,
    *,
    target: str | None,
    args: Mapping[str, str],
    platforms: Sequence[str],
    contexts: Collection[str],
) -> Uses:
    """Return what building ``target`` (``None``: the last stage) for all ``platforms`` uses.

    ``args`` are the build arguments given, ``contexts`` the names of the named contexts given: such a name stands in
    for the stage and for the image it names (``busybox`` also for ``docker.io/library/busybox:latest``). Without
    platforms, whatever depends on TARGETPLATFORM is unknown.

    Raises :class:`DockerfileError` for an unknown target and for what BuildKit refuses in a stage that is built.
    """
    found = Findings()
    syntax, line = _frontend(dockerfile, args)
    if syntax:
        found.add_image(ImageUse(syntax, line, "syntax"))
    if dockerfile.unreadable is not None:
        found.unresolved["", line] = Unresolved(
            f"syntax={syntax}", line, f"only that frontend knows which images the build uses ({dockerfile.unreadable})"
        )
    else:
        each: Sequence[str | None] = platforms or [None]
        for platform in each:
            scope = global_scope(dockerfile, args, platform)
            graph = StageGraph(dockerfile, scope, contexts)
            Walk(dockerfile, graph, scope, args, found).run(target)
            _check_epoch(found, scope, args)
    _give_up_where_needed(found, syntax, line, platforms)
    always = {name for name in args if name.startswith("BUILDKIT_") or name == _EPOCH}
    found.visible |= set(args) if is_custom_frontend(syntax) else always
    return _frozen(found)


def _frontend(dockerfile: Dockerfile, args: Mapping[str, str]) -> tuple[str | None, int]:
    """Return the frontend image and its line; the build argument wins over the file, as in BuildKit."""
    given = args.get(_FRONTEND_ARG, "").strip()
    return (given.split(" ", 1)[0], 0) if given else (dockerfile.syntax, dockerfile.syntax_line)


def _check_epoch(found: Findings, scope: GlobalScope, args: Mapping[str, str]) -> None:
    """Give up where SOURCE_DATE_EPOCH is not seconds: then BuildKit takes the time from a context or a stage."""
    if _EPOCH in scope.declared:
        found.visible |= scope.sources([_EPOCH])
    value = args.get(_EPOCH, scope.values.get(_EPOCH)) or ""
    if value and not value.removeprefix("-").isdecimal():
        found.whole_because.append(f"{_EPOCH}={value} takes the time from files")


def _give_up_where_needed(found: Findings, syntax: str | None, line: int, platforms: Sequence[str]) -> None:
    if is_custom_frontend(syntax):
        found.give_up(line, f"the frontend {syntax} may read any file")
    if any(platform.lower().startswith("windows") for platform in platforms):
        found.whole_because.append("sources are Windows paths")


def _frozen(found: Findings) -> Uses:
    because = found.whole_because[0] if found.whole_because else None
    return Uses(
        stages=tuple(sorted(found.stages)),
        images=tuple(found.images.values()),
        contexts=tuple(found.contexts),
        context_bases=tuple(found.context_bases),
        external_bases=tuple(found.external_bases),
        visible_args=frozenset(found.visible),
        unresolved=tuple(found.unresolved.values()),
        reads=tuple(found.reads) if because is None else None,
        whole_context_because=because,
        remotes=tuple(found.remotes),
        secrets=tuple(found.secrets),
        ssh=tuple(found.ssh),
    )
