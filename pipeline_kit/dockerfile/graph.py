"""Which stages a target needs, and what each of them really runs (ONBUILD triggers included)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pipeline_kit.dockerfile.faults import ExpansionError, StatementError, UnknownValueError, at
from pipeline_kit.dockerfile.instructions import Copy, Instruction, OnBuild, Run
from pipeline_kit.dockerfile.platforms import BUILDER_NAMES
from pipeline_kit.dockerfile.stages import find_target, read_trigger
from pipeline_kit.dockerfile.words import comma_separated
from pipeline_kit.errors import InvalidReference
from pipeline_kit.reference import parse_reference
from pipeline_kit.values import replace, value_class

if TYPE_CHECKING:
    from collections.abc import Collection

    from pipeline_kit.dockerfile.environment import GlobalScope
    from pipeline_kit.dockerfile.stages import Dockerfile, Stage

SCRATCH = "scratch"
_NUMBER = re.compile(r"[+-]?[0-9]+\Z")
# Names that BuildKit never looks up among the named contexts.
_NEVER_NAMED = frozenset({SCRATCH, "context"})


@value_class()
class Origin:
    """Where a FROM or a ``from=`` leads: exactly one of a stage, a named context, an image, or a reason why unknown.

    None of them: ``scratch``. A stage that a named context replaces is that context.
    """

    stage: int | None = None
    context: str | None = None
    image: str | None = None
    unresolved: str | None = None


class NamedContexts:
    """The named contexts of a build, found by any spelling of the same image name."""

    def __init__(self, names: Collection[str]) -> None:
        self._by_key = {_context_key(name): name for name in names}

    def find(self, reference: str) -> str | None:
        """Return the context that stands for ``reference``, as the build names it, or ``None``."""
        if reference.lower() in _NEVER_NAMED:
            return None
        return self._by_key.get(_context_key(reference))


def _context_key(name: str) -> str:
    try:
        reference = parse_reference(name)
    except InvalidReference:
        return name
    return str(reference).removesuffix(":latest")


class StageGraph:
    """The stages of one Dockerfile under one global scope and one set of named contexts."""

    def __init__(self, dockerfile: Dockerfile, scope: GlobalScope, contexts: Collection[str]) -> None:
        self._dockerfile = dockerfile
        self._scope = scope
        self._contexts = NamedContexts(contexts)
        self._stages = dockerfile.stages
        self._bases = [self._base(stage) for stage in self._stages]
        self._steps: dict[int, tuple[Instruction, ...]] = {}

    def override(self, stage: Stage) -> str | None:
        """Return the named context that replaces ``stage`` as a whole, or ``None``."""
        return self._contexts.find(stage.name) if stage.name else None

    def base(self, stage: Stage) -> Origin:
        """Return what ``stage`` is built upon, its own override aside."""
        return self._bases[stage.index]

    def steps(self, stage: Stage) -> tuple[Instruction, ...]:
        """Return what runs in ``stage``: the ONBUILD triggers of a base stage here, then its own instructions.

        Raises :class:`DockerfileError` for a trigger that cannot be read.
        """
        if stage.index not in self._steps:
            self._steps[stage.index] = (*self._triggers(stage), *stage.instructions)
        return self._steps[stage.index]

    def reachable(self, target: str | None) -> tuple[int, ...]:
        """Return the indexes of the stages that ``target`` needs, ascending. Raises :class:`DockerfileError`."""
        found: set[int] = set()
        waiting = [find_target(self._dockerfile, target).index]
        while waiting:
            index = waiting.pop()
            if index in found:
                continue
            found.add(index)
            waiting += self._needs(self._stages[index])
        return tuple(sorted(found))

    def origin(self, text: str, stage: Stage, line: int) -> Origin:
        """Return where ``--from=text`` (a name, a number or an image) of ``stage`` leads.

        Raises :class:`DockerfileError` for a number without a stage and for a stage that is not yet built there.
        """
        if _NUMBER.match(text):
            index = int(text)
            if not 0 <= index < len(self._stages):
                problem = StatementError(f"--from={text}: there are only stages 0 to {len(self._stages) - 1}")
                raise at(self._dockerfile.name, line, problem)
            return self._at_stage(self._stages[index], stage, line)
        for other in reversed(self._stages):
            if other.name == text.lower():
                return self._at_stage(other, stage, line)
        return self._outside(text, "")

    def _at_stage(self, other: Stage, stage: Stage, line: int) -> Origin:
        override = self.override(other)
        if override is not None:
            return Origin(context=override)
        if other.index >= stage.index:
            shown = other.name or str(other.index)
            problem = StatementError(f"the stage {shown!r} is used before it is built", hint="define it further up")
            raise at(self._dockerfile.name, line, problem)
        return Origin(stage=other.index)

    def _needs(self, stage: Stage) -> list[int]:
        if self.override(stage) is not None:
            return []
        base = self._bases[stage.index].stage
        needs = [] if base is None else [base]
        for step in self.steps(stage):
            for text in origins_of(step):
                used = self.origin(text, stage, step.line).stage
                needs += [] if used is None else [used]
        return needs

    def _triggers(self, stage: Stage) -> list[Instruction]:
        base = self._bases[stage.index].stage
        if base is None:
            return []
        return [
            replace(read_trigger(found.expression, self._dockerfile.name, found.line), line=found.line)
            for found in self._stages[base].instructions
            if isinstance(found, OnBuild)
        ]

    def _base(self, stage: Stage) -> Origin:
        try:
            text = self._scope.value_of(stage.base)
        except UnknownValueError as error:
            return Origin(unresolved=_why_unknown(error.name))
        except ExpansionError as error:
            return Origin(unresolved=error.message)
        for other in reversed(self._stages[: stage.index]):
            if other.name == text:  # as it stands, unlike --from: "FROM A" is never the stage "a"
                override = self.override(other)
                return Origin(stage=other.index) if override is None else Origin(context=override)
        unset = self._scope.unset(stage.base)
        return self._outside(text, f"it needs a value for {', '.join(unset)}" if unset else "")

    def _outside(self, text: str, why: str) -> Origin:
        if text == SCRATCH:
            return Origin()
        context = self._contexts.find(text)
        if context is not None:
            return Origin(context=context)
        try:
            parse_reference(text)
        except InvalidReference as error:
            return Origin(unresolved=why or error.message)
        return Origin(image=text)


def _why_unknown(name: str) -> str:
    if name in BUILDER_NAMES:
        return f"it depends on {name}, which only the builder knows"
    if name.startswith("TARGET"):
        return f"it depends on {name}, and no platform is given"
    return f"it depends on {name}, which depends on the builder or on a platform that is not given"


def origins_of(step: Instruction) -> list[str]:
    """Return the texts of all ``from`` in ``step``, as written."""
    if isinstance(step, Copy):
        return [step.origin] if step.origin else []
    if not isinstance(step, Run):
        return []
    fields = [field.partition("=") for mount in step.mounts for field in comma_separated(mount)]
    return [value for key, _, value in fields if key.lower() == "from" and value]
