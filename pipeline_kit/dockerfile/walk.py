"""One walk over the stages that a target needs, for one platform, gathering what they use."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline_kit.dockerfile.environment import StageScope
from pipeline_kit.dockerfile.faults import StatementError, UnknownValueError, at
from pipeline_kit.dockerfile.findings import ContextRead, ImageUse, RemoteAdd, Unresolved
from pipeline_kit.dockerfile.graph import SCRATCH, Origin, StageGraph
from pipeline_kit.dockerfile.instructions import Arg, Copy, Env, Expanded, Instruction, Run
from pipeline_kit.dockerfile.mounts import Mount, read_mount
from pipeline_kit.dockerfile.shell import names_in
from pipeline_kit.dockerfile.sources import clean, is_glob, is_remote, pinned_commit
from pipeline_kit.dockerfile.text import is_plain
from pipeline_kit.values import field, value_class

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipeline_kit.dockerfile.environment import GlobalScope
    from pipeline_kit.dockerfile.stages import Dockerfile, Stage


@value_class(frozen=False)
class Findings:
    """What walks have found so far, each kind in first-use order (a dict is an ordered set)."""

    stages: dict[int, None] = field(default_factory=dict)
    images: dict[tuple[str, bool], ImageUse] = field(default_factory=dict)
    contexts: dict[str, None] = field(default_factory=dict)
    context_bases: dict[str, None] = field(default_factory=dict)
    external_bases: dict[str, None] = field(default_factory=dict)
    visible: set[str] = field(default_factory=set)
    unresolved: dict[tuple[str, int], Unresolved] = field(default_factory=dict)
    reads: dict[ContextRead, None] = field(default_factory=dict)
    whole_because: list[str] = field(default_factory=list)
    remotes: dict[RemoteAdd, None] = field(default_factory=dict)
    secrets: dict[str, None] = field(default_factory=dict)
    ssh: dict[str, None] = field(default_factory=dict)

    def add_image(self, use: ImageUse) -> None:
        """Add an external image; the frontend's image is kept apart, as it cannot be pinned the same way."""
        self.images.setdefault((use.reference, use.kind == "syntax"), use)

    def give_up(self, line: int, why: str) -> None:
        """Record that the files read cannot be told from the Dockerfile."""
        self.whole_because.append(f"line {line}: {why}")


class Walk:
    """The walk of one target under one global scope, into ``findings``."""

    def __init__(
        self,
        dockerfile: Dockerfile,
        graph: StageGraph,
        scope: GlobalScope,
        args: Mapping[str, str],
        findings: Findings,
    ) -> None:
        self._dockerfile = dockerfile
        self._graph = graph
        self._globals = scope
        self._args = args
        self._found = findings
        self._scopes: dict[int, StageScope] = {}

    def run(self, target: str | None) -> None:
        """Visit every stage that ``target`` needs. Raises :class:`DockerfileError` for what BuildKit refuses."""
        for index in self._graph.reachable(target):
            self._found.stages.setdefault(index)
            self._visit(self._dockerfile.stages[index])

    def _visit(self, stage: Stage) -> None:
        override = self._graph.override(stage)
        if override is not None:
            self._use_context_base(override, stage.line)
            return
        base = self._graph.base(stage)
        words = [stage.base, stage.platform or ""]
        names = {name for word in words for name in names_in(word, escape=self._dockerfile.escape)}
        self._found.visible |= self._globals.sources(names)
        self._use_base(base, stage)
        scope = self._start(base)
        self._scopes[stage.index] = scope
        for step in self._graph.steps(stage):
            try:
                self._step(step, stage, scope)
            except StatementError as error:
                raise at(self._dockerfile.name, step.line, error) from error

    def _start(self, base: Origin) -> StageScope:
        if base.stage is not None:
            return self._scopes[base.stage].child()
        if base == Origin():
            return StageScope.on_scratch(self._dockerfile.escape)
        return StageScope(self._dockerfile.escape, open=True)

    def _use_base(self, base: Origin, stage: Stage) -> None:
        if base.context is not None:
            self._use_context_base(base.context, stage.line)
            return
        if base.image is not None:
            self._found.external_bases.setdefault(base.image)
        self._use_outside(base, stage.base, stage.line, "FROM")

    def _use_context_base(self, name: str, line: int) -> None:
        self._found.contexts.setdefault(name)
        self._found.context_bases.setdefault(name)
        self._found.reads.setdefault(ContextRead(name, ".", line))

    def _use_outside(self, origin: Origin, text: str, line: int, kind: str) -> None:
        if origin.image is not None:
            self._found.add_image(ImageUse(origin.image, line, kind))
        elif origin.context is not None:
            self._found.contexts.setdefault(origin.context)
        elif origin.unresolved is not None:
            self._found.unresolved.setdefault((text, line), Unresolved(text, line, origin.unresolved))

    def _step(self, step: Instruction, stage: Stage, scope: StageScope) -> None:
        if isinstance(step, Arg):
            self._declare(step, scope)
        elif isinstance(step, Env) and step.keyword == "ENV":
            scope.export(step)
        elif isinstance(step, Copy):
            self._copy(step, stage, scope)
        elif isinstance(step, Run):
            self._run(step, stage, scope)
        elif isinstance(step, Env | Expanded):
            self._check(step, scope)

    def _check(self, step: Env | Expanded, scope: StageScope) -> None:
        """Let a substitution that BuildKit refuses (``${X:?}``) be refused here as well."""
        words = step.words if isinstance(step, Expanded) else [word for pair in step.pairs for word in pair]
        for word in words:
            _value_or_unknown(scope, word)

    def _declare(self, arg: Arg, scope: StageScope) -> None:
        scope.declare(arg, self._args, self._globals)
        for key, default in arg.pairs:
            self._found.visible |= {key} if default is not None else self._globals.sources([key])

    def _copy(self, step: Copy, stage: Stage, scope: StageScope) -> None:
        origin = Origin()
        if step.origin:
            origin = self._graph.origin(step.origin, stage, step.line)
            self._use_outside(origin, step.origin, step.line, "COPY --from")
        context = origin.context
        from_here = context is not None or not step.origin
        for word in step.sources:
            value, unknown = _value_or_unknown(scope, word)
            if value is None and from_here:
                self._found.give_up(step.line, f"{step.keyword} {word} needs {unknown}, which may come from the base")
            elif value is not None and is_remote(value):
                self._remote(step, value, scope)
            elif value is not None and from_here:
                self._read(step, context, value)

    def _remote(self, step: Copy, url: str, scope: StageScope) -> None:
        if step.keyword == "COPY":
            raise StatementError(f"COPY cannot take the remote source {url}", hint="ADD can")
        checksum = _value_or_unknown(scope, step.checksum)[0] or pinned_commit(url)
        self._found.remotes.setdefault(RemoteAdd(url, step.line, checksum))

    def _read(self, step: Copy, context: str | None, source: str) -> None:
        pattern = clean(source.replace("/./", "/", 1) if step.parents else source)
        if not is_plain(pattern):
            self._found.give_up(step.line, f"{step.keyword} has a source that is not UTF-8 text")
            return
        excludes = tuple(exclude for exclude in step.excludes if exclude.isascii())
        read = ContextRead(context, pattern, step.line, is_glob(pattern), step.parents, excludes)
        self._found.reads.setdefault(read)

    def _run(self, step: Run, stage: Stage, scope: StageScope) -> None:
        for text in step.mounts:
            mount = read_mount(text, scope)
            origin = Origin()
            if mount.origin and mount.origin.lower() != SCRATCH:
                origin = self._graph.origin(mount.origin, stage, step.line)
                self._use_outside(origin, mount.origin, step.line, "RUN --mount")
            self._mount(step, mount, origin)

    def _mount(self, step: Run, mount: Mount, origin: Origin) -> None:
        if "type" in mount.unknown:
            self._found.give_up(step.line, f"the type of a mount needs {mount.unknown['type']}")
            return
        if mount.kind in {"secret", "ssh"}:
            (self._found.secrets if mount.kind == "secret" else self._found.ssh).setdefault(mount.secret_id())
            return
        context = origin.context
        from_main = mount.kind == "bind" and not mount.origin
        if mount.kind == "tmpfs" or not (from_main or context is not None):
            return
        source = mount.fields.get("source", "")
        if "source" in mount.unknown or not source.isascii():
            self._found.give_up(step.line, f"the mounted source {source} cannot be told")
        else:
            self._found.reads.setdefault(ContextRead(context, clean(source), step.line))


def _value_or_unknown(scope: StageScope, word: str) -> tuple[str | None, str]:
    """Return the expanded word, or ``None`` and the variable that is unknown."""
    try:
        return scope.value_of(word), ""
    except UnknownValueError as error:
        return None, error.name
