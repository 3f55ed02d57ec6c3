"""Where a build argument reaches a step that BuildKit caches: such an argument cannot be left out of the key."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline_kit.dockerfile.environment import global_scope
from pipeline_kit.dockerfile.graph import StageGraph
from pipeline_kit.dockerfile.instructions import Arg, Copy, Env, Expanded, Instruction, Run
from pipeline_kit.dockerfile.shell import names_in

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from pipeline_kit.dockerfile.stages import Dockerfile, Stage


def arg_uses(
    dockerfile: Dockerfile,
    target: str | None,
    name: str,
    *,
    args: Mapping[str, str] | None = None,
    contexts: Collection[str] = (),
) -> tuple[int, ...]:
    """Return the 1-based lines, ascending, of the steps of ``target`` that the build argument ``name`` reaches.

    A RUN is reached as soon as the argument is declared in its stage (or in one it is built upon), since its
    environment holds it; FROM and all other instructions but LABEL, which decides no layer, are where they expand it.
    Values that are made of it (``ENV
    A=$NAME``) carry it on; a later ENV of the same name that is not ends it. ``args`` are the other build arguments.

    Raises :class:`DockerfileError` as :func:`uses` does.
    """
    given = dict(args or {})
    scope = global_scope(dockerfile, {**given, name: given.get(name, "x")}, None)
    graph = StageGraph(dockerfile, scope, contexts)
    reach = _Reach(dockerfile, name, given)
    for index in graph.reachable(target):
        stage = dockerfile.stages[index]
        if graph.override(stage) is None:
            reach.visit(stage, graph.steps(stage), graph.base(stage).stage)
    return tuple(sorted(reach.lines))


class _Reach:
    """Names that carry the argument's value, stage by stage, and the lines where they are used."""

    def __init__(self, dockerfile: Dockerfile, name: str, args: Mapping[str, str]) -> None:
        self.lines: set[int] = set()
        self._name = name
        self._args = args
        self._escape = dockerfile.escape
        self._stages: dict[int, set[str]] = {}
        self._global = {name}
        for arg in dockerfile.meta_args:
            self._declare(arg, self._global, inherited=set())

    def visit(self, stage: Stage, steps: Iterable[Instruction], base: int | None) -> None:
        """Follow the argument through ``stage``, whose base stage (if any) was visited before."""
        carriers = set(self._stages.get(base, ())) if base is not None else set()
        self._stages[stage.index] = carriers
        if self._names([stage.base, stage.platform or ""]) & self._global:
            self.lines.add(stage.line)
        for step in steps:
            if isinstance(step, Arg):
                self._declare(step, carriers, inherited=self._global)
                continue
            if (isinstance(step, Run) and carriers) or self._expanded(step) & carriers:
                self.lines.add(step.line)
            if isinstance(step, Env) and step.keyword == "ENV":
                self._export(step, carriers)

    def _declare(self, arg: Arg, carriers: set[str], *, inherited: set[str]) -> None:
        for key, default in arg.pairs:
            if key == self._name:
                carriers.add(key)
            elif key in self._args:
                carriers.discard(key)
            elif default is not None:
                self._mark(key, carriers, carried=bool(self._names([default]) & carriers))
            elif key in inherited:
                carriers.add(key)

    def _export(self, env: Env, carriers: set[str]) -> None:
        before = frozenset(carriers)
        for key, value in env.pairs:
            self._mark(key, carriers, carried=bool(self._names([value]) & before))

    @staticmethod
    def _mark(key: str, carriers: set[str], *, carried: bool) -> None:
        (carriers.add if carried else carriers.discard)(key)

    def _names(self, words: Iterable[str]) -> set[str]:
        return {name for word in words for name in names_in(word, escape=self._escape)}

    def _expanded(self, step: Instruction) -> set[str]:
        """Return the variables that the builder expands in ``step``."""
        if isinstance(step, Copy):
            names = self._names([*step.sources, step.destination, step.chown, step.chmod, step.checksum])
            contents = [found.text for found in step.heredocs if found.expand]
            return names.union(*(names_in(content, quotes=False) for content in contents))
        if isinstance(step, Run):
            return self._names(step.mounts)
        if isinstance(step, Env):
            words = (word for pair in step.pairs for word in pair)
            return self._names(words) if step.keyword == "ENV" else set()  # a LABEL alone decides no layer
        return self._names(step.words) if isinstance(step, Expanded) else set()
