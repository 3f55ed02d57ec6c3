"""A Dockerfile as a value: its directives, its global build arguments and its stages."""

from __future__ import annotations

from pipeline_kit.dockerfile.directives import DirectiveError, escape_character, syntax_directive
from pipeline_kit.dockerfile.faults import StatementError, at, did_you_mean
from pipeline_kit.dockerfile.instructions import Arg, From, Instruction
from pipeline_kit.dockerfile.lexer import Statement, statements
from pipeline_kit.dockerfile.reader import read_instruction
from pipeline_kit.dockerfile.text import decode
from pipeline_kit.errors import DockerfileError, InvalidReference
from pipeline_kit.reference import parse_reference
from pipeline_kit.values import value_class

_OFFICIAL_FRONTENDS = frozenset({"docker.io/docker/dockerfile", "docker.io/docker/dockerfile-upstream"})


@value_class()
class Stage:
    """One build stage: 0-based ``index``, lower-case ``name`` (or ``None``), raw ``base`` and ``platform`` flag.

    ``line`` is the 1-based line of its FROM; ``instructions`` are those after it.
    """

    index: int
    name: str | None
    base: str
    platform: str | None
    instructions: tuple[Instruction, ...]
    line: int


@value_class()
class Dockerfile:
    """A whole Dockerfile.

    ``syntax`` is the frontend image that the file asks for, at ``syntax_line``. Under a frontend other than
    docker/dockerfile the file need not be a Dockerfile at all: then ``unreadable`` says why it could not be read as
    one, and ``stages`` is empty.
    """

    name: str
    syntax: str | None
    syntax_line: int
    escape: str
    meta_args: tuple[Arg, ...]
    stages: tuple[Stage, ...]
    unreadable: str | None = None


def is_custom_frontend(syntax: str | None) -> bool:
    """Tell whether ``syntax`` names a frontend that is not the official Dockerfile one."""
    if syntax is None:
        return False
    try:
        return parse_reference(syntax).name not in _OFFICIAL_FRONTENDS
    except InvalidReference:
        return True


def parse(data: bytes, name: str) -> Dockerfile:
    """Read the Dockerfile ``data``; ``name`` stands in errors.

    Raises :class:`DockerfileError` ``name:line: …`` for what BuildKit refuses before it builds anything, unless a
    custom frontend is asked for: what that accepts is its own affair.
    """
    text = decode(data)
    syntax = syntax_directive(text)
    try:
        return _parse(text, name)
    except DockerfileError as error:
        if syntax is None or not is_custom_frontend(syntax.value):
            raise
        return Dockerfile(name, syntax.value, syntax.line, "\\", (), (), unreadable=error.message)


def _parse(text: str, name: str) -> Dockerfile:
    try:
        escape = escape_character(text)
    except DirectiveError as error:
        raise at(name, error.line, error) from error
    instructions = [_read(statement, name, escape) for statement in statements(text, name, escape=escape)]
    first = next((i for i, instruction in enumerate(instructions) if isinstance(instruction, From)), len(instructions))
    metas = [instruction for instruction in instructions[:first] if isinstance(instruction, Arg)]
    stray = next((found for found in instructions[:first] if not isinstance(found, Arg)), None)
    if stray is not None:
        raise at(name, stray.line, StatementError(f"{stray.keyword} before the first FROM", hint=_MISSING_FROM))
    if first == len(instructions):
        line = metas[-1].line if metas else 1
        raise at(name, line, StatementError("the Dockerfile has no FROM", hint=_MISSING_FROM))
    stages = _stages(instructions[first:])
    syntax = syntax_directive(text)
    return Dockerfile(
        name=name,
        syntax=syntax.value if syntax else None,
        syntax_line=syntax.line if syntax else 0,
        escape=escape,
        meta_args=tuple(metas),
        stages=tuple(stages),
    )


_MISSING_FROM = "a Dockerfile begins with FROM; only ARG may stand before it"


def _read(statement: Statement, name: str, escape: str) -> Instruction:
    try:
        return read_instruction(statement, escape)
    except StatementError as error:
        raise at(name, statement.line, error) from error


def _stages(instructions: list[Instruction]) -> list[Stage]:
    stages: list[Stage] = []
    body: list[Instruction] = []
    head: From | None = None
    for instruction in [*instructions, None]:
        if instruction is not None and not isinstance(instruction, From):
            body.append(instruction)
            continue
        if head is not None:
            stages.append(
                Stage(len(stages), head.name or None, head.base, head.platform or None, tuple(body), head.line)
            )
        head, body = instruction, []
    return stages


def read_trigger(expression: str, name: str, line: int) -> Instruction:
    r"""Return the instruction in an ONBUILD ``expression``, as if it stood at ``line``.

    A trigger is read on its own, so its escape character is always ``\``. Raises :class:`DockerfileError`.
    """
    found = [_read(statement, name, "\\") for statement in statements(expression, name, escape="\\")]
    if len(found) != 1:
        raise at(name, line, StatementError("an ONBUILD trigger is exactly one instruction"))
    return found[0]


def find_target(dockerfile: Dockerfile, target: str | None) -> Stage:
    """Return the stage that ``target`` names, in any case; ``None`` and ``""``: the last.

    Raises :class:`DockerfileError` that lists the stages. BuildKit takes no number here, unlike in ``--from``.
    """
    if not target:
        return dockerfile.stages[-1]
    for stage in reversed(dockerfile.stages):
        if stage.name == target.lower():
            return stage
    names = [stage.name for stage in dockerfile.stages if stage.name]
    listed = ", ".join(names) if names else "none has a name"
    hint = did_you_mean(target.lower(), names)
    raise DockerfileError(f"{dockerfile.name}: no stage is called {target!r} (stages: {listed})", hint=hint)
