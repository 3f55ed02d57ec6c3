"""From statements to instructions: one small reader for each keyword, as strict as BuildKit's.

Source: Dockerfile reference; moby/buildkit frontend/dockerfile/instructions.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pipeline_kit.dockerfile import flags as known_flags
from pipeline_kit.dockerfile.faults import ExpansionError, StatementError, did_you_mean
from pipeline_kit.dockerfile.flags import Flags, read_flags
from pipeline_kit.dockerfile.heredocs import Heredoc, heredoc
from pipeline_kit.dockerfile.instructions import Arg, Copy, Env, Expanded, From, Instruction, OnBuild, Run, Verbatim
from pipeline_kit.dockerfile.shell import expand
from pipeline_kit.dockerfile.words import blank_separated, comma_separated, json_array, quoted_words
from pipeline_kit.late_pattern import late_pattern

if TYPE_CHECKING:
    from collections.abc import Callable

    from pipeline_kit.dockerfile.lexer import Statement

    Reader = Callable[[Statement, str], Instruction]

_STAGE_NAME = late_pattern(r"[a-z][a-z0-9\-_.]*\Z")
_ONBUILD = late_pattern(r"\A\s*ONBUILD\s*", re.IGNORECASE)
_NAMED_BASE_WORDS = 3


def read_instruction(statement: Statement, escape: str) -> Instruction:
    """Return the instruction that ``statement`` is.

    Raises :class:`StatementError` for an unknown keyword (with the nearest known one as hint) and for arguments and
    flags that BuildKit refuses.
    """
    reader = _READERS.get(statement.keyword)
    if reader is None:
        raise StatementError(
            f"unknown instruction: {statement.keyword.upper()}",
            hint=did_you_mean(statement.keyword.upper(), [keyword.upper() for keyword in _READERS]),
        )
    return reader(statement, escape)


def _from(statement: Statement, _escape: str) -> From:
    words = blank_separated(statement.rest)
    name = ""
    if len(words) == _NAMED_BASE_WORDS and words[1].lower() == "as":
        name = words[2].lower()
        if _STAGE_NAME.match(name) is None:
            raise StatementError(
                f"invalid stage name {words[2]!r}", hint="begin with a letter, then letters, digits, '-', '_' and '.'"
            )
    elif len(words) != 1:
        raise StatementError("FROM takes one argument, or three: FROM image AS name")
    platform = read_flags(statement.flags, known_flags.FROM).get("platform", [""])[0]
    return From(statement.line, "FROM", base=words[0], name=name, platform=platform)


def _arg(statement: Statement, escape: str) -> Arg:
    pairs: list[tuple[str, str | None]] = []
    for word in quoted_words(statement.rest, escape):
        name, has_default, default = word.partition("=")
        if not name:
            raise StatementError("ARG needs a name before the =")
        pairs.append((name, default if has_default else None))
    if not pairs:
        raise StatementError("ARG needs at least one name")
    return Arg(statement.line, "ARG", tuple(pairs))


def _pairs(statement: Statement, escape: str) -> Env:
    keyword = statement.keyword.upper()
    read_flags(statement.flags, known_flags.NONE)
    words = quoted_words(statement.rest, escape)
    if not words:
        raise StatementError(f"{keyword} needs at least one argument")
    if "=" not in words[0]:
        halves = blank_separated(statement.rest, 1)
        if len(halves) == 1:
            raise StatementError(f"{keyword} needs a name and a value", hint=f"write {keyword} {halves[0]}=…")
        return Env(statement.line, keyword, ((halves[0], halves[1]),))
    pairs: list[tuple[str, str]] = []
    for word in words:
        name, has_value, value = word.partition("=")
        if not has_value:
            raise StatementError(f"{keyword}: {word!r} has no =", hint="write name=value, with quotes around blanks")
        if not name:
            raise StatementError(f"{keyword} needs a name before the =")
        pairs.append((name, value))
    return Env(statement.line, keyword, tuple(pairs))


def _words(statement: Statement) -> list[str]:
    array = json_array(statement.rest)
    return blank_separated(statement.rest) if array is None else array


def _copy(statement: Statement, _escape: str) -> Copy:
    keyword = statement.keyword.upper()
    words = _words(statement)
    if len(words) <= 1:
        raise StatementError(f"{keyword} needs at least two arguments: a source and the destination")
    flags = read_flags(statement.flags, known_flags.COPY if keyword == "COPY" else known_flags.ADD)
    contents = {found.name: found for found in statement.heredocs}
    if _opened(words[-1]) is not None:
        raise StatementError(f"{keyword} cannot take a here-document as destination")
    sources: list[str] = []
    inline: list[Heredoc] = []
    for word in words[:-1]:
        opened = _opened(word)
        if opened is None:
            sources.append(word)
        else:
            inline.append(contents.get(opened.name, opened))
    return Copy(
        statement.line,
        keyword,
        sources=tuple(sources),
        heredocs=tuple(inline),
        destination=words[-1],
        origin=_origin(flags),
        parents=flags.get("parents") == ["true"],
        excludes=tuple(flags.get("exclude", [])),
        **{name: flags.get(name, [""])[0] for name in ("chown", "chmod", "checksum")},
    )


def _opened(word: str) -> Heredoc | None:
    try:
        return heredoc(word)
    except ExpansionError:
        return None


def _origin(flags: Flags) -> str:
    origin = flags.get("from", [""])[0]
    if origin and expand(origin, lambda _name: None) != origin:
        raise StatementError(
            f"--from={origin}: variables are not expanded here",
            hint="add a stage 'FROM … AS name', which may use ARGs from before the first FROM, and copy from it",
        )
    return origin


def _run(statement: Statement, _escape: str) -> Run:
    json_array(statement.rest)
    flags = read_flags(statement.flags, known_flags.RUN)
    _one_of("--network", flags.get("network", ["default"])[0], ("default", "none", "host"))
    _one_of("--security", flags.get("security", ["sandbox"])[0], ("sandbox", "insecure"))
    mounts = flags.get("mount", [])
    for mount in mounts:
        for field in comma_separated(mount):
            key, _, value = field.partition("=")
            if key.lower() == "from" and "$" in value[:-1]:
                raise StatementError(
                    f"--mount from={value}: variables are not expanded here",
                    hint="add a stage 'FROM … AS name', which may use ARGs from before the first FROM, and mount it",
                )
    return Run(statement.line, "RUN", tuple(mounts))


def _one_of(flag: str, value: str, known: tuple[str, ...]) -> None:
    if value.lower() not in known:
        raise StatementError(f"{flag}={value} is not one of {', '.join(known)}", hint=did_you_mean(value, known))


def _onbuild(statement: Statement, _escape: str) -> OnBuild:
    read_flags(statement.flags, known_flags.NONE)
    trigger = blank_separated(statement.rest)[:1]
    if not trigger:
        raise StatementError("ONBUILD needs an instruction")
    if trigger[0].lower() in {"onbuild", "maintainer", "from"}:
        raise StatementError(f"{trigger[0].upper()} is not allowed in ONBUILD")
    bodies = [f"\n{found.content}{found.name}" for found in statement.heredocs]
    return OnBuild(statement.line, "ONBUILD", _ONBUILD.sub("", statement.text) + "".join(bodies))


def _expanded(statement: Statement, _escape: str) -> Expanded:
    keyword = statement.keyword.upper()
    if keyword == "VOLUME":
        words = _words(statement)
    elif keyword == "EXPOSE":
        words = blank_separated(statement.rest)
    else:
        words = [statement.rest] if statement.rest else []
    if not words:
        raise StatementError(f"{keyword} needs an argument")
    if keyword == "VOLUME" and not all(word.strip() for word in words):
        raise StatementError("VOLUME cannot take an empty path")
    if keyword != "STOPSIGNAL":
        read_flags(statement.flags, known_flags.NONE)
    return Expanded(statement.line, keyword, tuple(words))


def _verbatim(statement: Statement, _escape: str) -> Verbatim:
    keyword = statement.keyword.upper()
    known = known_flags.HEALTHCHECK if keyword == "HEALTHCHECK" else known_flags.NONE
    if statement.rest.upper() != "NONE" or keyword != "HEALTHCHECK":
        read_flags(statement.flags, known)
    if keyword == "MAINTAINER" and not statement.rest:
        raise StatementError("MAINTAINER needs an argument")
    if keyword in {"CMD", "ENTRYPOINT"}:
        json_array(statement.rest)
    if keyword == "SHELL" and not json_array(statement.rest):
        raise StatementError("SHELL takes a JSON array", hint='write SHELL ["/bin/sh", "-c"]')
    if keyword == "HEALTHCHECK":
        _healthcheck(statement.rest)
    return Verbatim(statement.line, keyword)


def _healthcheck(rest: str) -> None:
    kind, *command = rest.split(None, 1) or [""]
    if kind.upper() not in {"NONE", "CMD"}:
        raise StatementError(f"HEALTHCHECK {kind}: write HEALTHCHECK CMD … or HEALTHCHECK NONE")
    if (kind.upper() == "CMD") != bool(command):
        raise StatementError("HEALTHCHECK CMD needs a command, and HEALTHCHECK NONE takes none")
    if command:
        json_array(command[0])


_READERS: dict[str, Reader] = {
    "add": _copy,
    "arg": _arg,
    "copy": _copy,
    "env": _pairs,
    "from": _from,
    "label": _pairs,
    "onbuild": _onbuild,
    "run": _run,
    **dict.fromkeys(("cmd", "entrypoint", "healthcheck", "maintainer", "shell"), _verbatim),
    **dict.fromkeys(("expose", "stopsignal", "user", "volume", "workdir"), _expanded),
}
