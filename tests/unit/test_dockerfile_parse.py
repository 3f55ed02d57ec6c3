"""From bytes to stages and instructions, and everything that is refused."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_kit.dockerfile import Dockerfile, Uses, parse, uses
from pipeline_kit.dockerfile.instructions import Arg, Copy, Env, Instruction, OnBuild, Run
from pipeline_kit.errors import DockerfileError

SAMPLE = rb"""# syntax=docker/dockerfile:1.7
# escape=\
ARG BASE=busybox:1.36

FROM --platform=$BUILDPLATFORM ${BASE} AS Build
ARG TARGETARCH A=1 B="two words"
ENV K=v \
    # a comment inside
    L="m n"

RUN --mount=type=secret,id=npm --mount=type=bind,source=src,target=/src \
    make
RUN <<EOF
FROM nothing
EOF
COPY <<-"ONE" <<TWO file /dest/
	one
	ONE
two
TWO
ONBUILD COPY onbuild /x
FROM scratch
COPY --from=build --chown=1:1 --link ["/out dir", "/"]
CMD ["/x"]
"""


def read(text: str) -> Dockerfile:
    """Return ``text`` parsed."""
    return parse(text.encode(), "Dockerfile")


def use(dockerfile: Dockerfile) -> Uses:
    """Return what a plain build of ``dockerfile`` uses."""
    return uses(dockerfile, target=None, args={}, platforms=["linux/amd64"], contexts=())


def instructions(text: str) -> tuple[Instruction, ...]:
    """Return the instructions of a one-stage Dockerfile that starts with ``FROM scratch``."""
    return read(f"FROM scratch\n{text}").stages[0].instructions


def test_sample_stages() -> None:
    """Directives, global arguments and stages are seen with their lines."""
    dockerfile = parse(SAMPLE, "Dockerfile")
    assert (dockerfile.syntax, dockerfile.syntax_line, dockerfile.escape) == ("docker/dockerfile:1.7", 1, "\\")
    assert dockerfile.meta_args[0].pairs == (("BASE", "busybox:1.36"),)
    build, last = dockerfile.stages
    assert (build.index, build.name, build.base, build.platform) == (0, "build", "${BASE}", "$BUILDPLATFORM")
    assert (build.line, last.line) == (5, 22)
    assert (last.name, last.base) == (None, "scratch")


def test_sample_instructions() -> None:
    """Continuation lines, comments within them, flags and here-documents end up in the right instruction."""
    build, last = parse(SAMPLE, "Dockerfile").stages
    arg, env, run, script, copy, onbuild = build.instructions
    assert isinstance(arg, Arg)
    assert arg.pairs == (("TARGETARCH", None), ("A", "1"), ("B", '"two words"'))
    assert isinstance(env, Env)
    assert (env.pairs, env.line) == ((("K", "v"), ("L", '"m n"')), 7)
    assert isinstance(run, Run)
    assert (run.mounts, run.line) == (("type=secret,id=npm", "type=bind,source=src,target=/src"), 11)
    assert script.line == 13
    assert isinstance(copy, Copy)
    assert copy.sources == ("file",)
    assert [(doc.name, doc.expand, doc.text) for doc in copy.heredocs] == [
        ("ONE", False, "one\n"),
        ("TWO", True, "two\n"),
    ]
    assert isinstance(onbuild, OnBuild)
    assert onbuild.expression == "COPY onbuild /x"
    copied = last.instructions[0]
    assert isinstance(copied, Copy)
    assert (copied.origin, copied.chown, copied.sources, copied.destination) == ("build", "1:1", ("/out dir",), "/")


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("newline", [b"\n", b"\r\n"])
def test_line_ends_and_byte_order_mark_do_not_matter(mark: bytes, newline: bytes) -> None:
    """A Dockerfile from Windows uses what the same one from Linux uses."""
    other = parse(mark + SAMPLE.replace(b"\n", newline), "Dockerfile")
    plain = parse(SAMPLE, "Dockerfile")
    assert use(other) == use(plain)
    assert [stage.line for stage in other.stages] == [stage.line for stage in plain.stages]


@pytest.mark.parametrize(
    ("text", "syntax", "line", "escape"),
    [
        ("FROM x", None, 0, "\\"),
        ("# syntax=a/b:1 # why\nFROM x", "a/b:1", 1, "\\"),
        ("#SYNTAX = a/b\nFROM x", "a/b", 1, "\\"),
        ("# escape=`\n# syntax=docker/dockerfile:1\nFROM x", "docker/dockerfile:1", 2, "`"),
        ("# hello\n# syntax=a\nFROM x", None, 0, "\\"),
        ("\n# escape=`\nFROM x", None, 0, "\\"),
        ("# check=skip=all\n# escape=`\nFROM x", None, 0, "`"),
        (" # syntax=a\nFROM x", None, 0, "\\"),
        ("#!/usr/bin/env thing\n# syntax=a/b\nFROM x", "a/b", 2, "\\"),
        ("// syntax=c/d\nx", "c/d", 1, "\\"),
        ('{"syntax": "e/f", "x": 1}', "e/f", 1, "\\"),
        ("FROM x\n# syntax=a\n", None, 0, "\\"),
    ],
)
def test_directives(text: str, syntax: str | None, line: int, escape: str) -> None:
    """Parser directives count only at the top, and ``syntax`` also in its other spellings."""
    dockerfile = read(text)
    assert (dockerfile.syntax, dockerfile.syntax_line, dockerfile.escape) == (syntax, line, escape)


@pytest.mark.parametrize(
    ("text", "count", "last_line"),
    [
        ("ENV A=1 \\\n\n\n B=2\nENV C=3", 2, 6),
        ("ENV A=1 \\\n# x\n   # y\n B=2\nENV C=3", 2, 6),
        ("ENV A=1 \\  \n B=2", 1, 2),
        ("RUN echo \\\\\nENV C=3", 2, 3),
        ("RUN a \\", 1, 2),
        ("   ENV A=1\n\t# x\n\tENV B=2", 2, 4),
        ("RUN cat <<A <<B\nENV X=1\nA\nENV Y=1\nB\nENV Z=1", 2, 7),
        ("RUN echo 'x <<A\nENV Z=1", 2, 3),
        ('RUN ["sh", "<<A"]\nENV Z=1', 2, 3),
        ("CMD cat <<A\nENV Z=1", 2, 3),
        ("ONBUILD RUN <<A\nx\nA\nENV Z=1", 2, 5),
    ],
)
def test_logical_lines(text: str, count: int, last_line: int) -> None:
    """Continuations, comments and here-documents make the same instructions at the same lines as in BuildKit."""
    found = instructions(text)
    assert (len(found), found[-1].line) == (count, last_line)


def test_backtick_continuation() -> None:
    """With ``# escape=`` a backslash at a line's end is part of the text."""
    dockerfile = read("# escape=`\nFROM scratch\nCOPY a `\n b\nWORKDIR C:\\\nENV A=1")
    assert [found.line for found in dockerfile.stages[0].instructions] == [3, 5, 6]


@pytest.mark.parametrize(
    ("text", "pairs"),
    [
        ("ENV a b c", (("a", "b c"),)),
        ("ENV a=b c=d", (("a", "b"), ("c", "d"))),
        ('ENV a="b c"', (("a", '"b c"'),)),
        ("ENV a=", (("a", ""),)),
        ("LABEL a.b=c", (("a.b", "c"),)),
    ],
)
def test_pairs(text: str, pairs: tuple[tuple[str, str], ...]) -> None:
    """ENV and LABEL take both the old and the new form."""
    found = instructions(text)[0]
    assert isinstance(found, Env)
    assert found.pairs == pairs


REFUSED = [
    ("", 1, "no FROM", "FROM"),
    ("# only\n", 1, "no FROM", "FROM"),
    ("ARG A\n", 1, "no FROM", "FROM"),
    ("ARG A\nRUN x\nFROM y", 2, "RUN before the first FROM", "FROM"),
    ("FROM x\n\nRUNN y", 3, "unknown instruction: RUNN", "did you mean RUN?"),
    ("FROM x\nCOPPY a b", 2, "unknown instruction", "did you mean COPY?"),
    ("FROM x\n\\\n", 2, "unknown instruction", None),
    ("FROM", 1, "FROM takes", None),
    ("FROM a b", 1, "FROM takes", None),
    ("FROM a AS", 1, "FROM takes", None),
    ("FROM a AS 1x", 1, "invalid stage name '1x'", "begin with a letter"),
    ("FROM a AS x/y", 1, "invalid stage name", "begin with a letter"),
    ("FROM --plattform=x a", 1, "unknown flag: --plattform", "--platform"),
    ("FROM x\nCOPY a", 2, "at least two arguments", None),
    ("FROM x\nCOPY []", 2, "at least two arguments", None),
    ("FROM x\nCOPY --form=y a b", 2, "unknown flag: --form", "did you mean --from?"),
    ("FROM x\nADD --from=y a b", 2, "unknown flag: --from", "it takes"),
    ("FROM x\nCOPY --from=y --from=z a b", 2, "given twice", None),
    ("FROM x\nCOPY --from a b", 2, "needs a value", "--from="),
    ("FROM x\nCOPY --link=maybe a b", 2, "true or false", None),
    ("FROM x\nCOPY --link= a b", 2, "true or false", None),
    ("FROM x\nCOPY --from=$Y a b", 2, "not expanded", "FROM … AS"),
    ("FROM x\nCOPY a <<EOF\nEOF", 2, "destination", None),
    ("FROM x\nRUN --mount=from=$Y,target=/x y", 2, "not expanded", "FROM … AS"),
    ("FROM x\nRUN --network=wifi y", 2, "--network=wifi", None),
    ("FROM x\nCMD --x", 2, "unknown flag", "takes no flags"),
    ("FROM x\nRUN <<EOF\nabc", 2, "<<EOF has no end", "EOF"),
    ("FROM x\nRUN [1]", 2, "strings only", "quotes"),
    ("FROM x\nENV A", 2, "a name and a value", "ENV A="),
    ("FROM x\nENV A=1 B", 2, "has no =", "name=value"),
    ("FROM x\nENV =1", 2, "needs a name", None),
    ("FROM x\nARG", 2, "at least one name", None),
    ("FROM x\nARG =1", 2, "needs a name", None),
    ("FROM x\nWORKDIR", 2, "needs an argument", None),
    ("FROM x\nONBUILD", 2, "needs an instruction", None),
    ("FROM x\nONBUILD ONBUILD RUN x", 2, "not allowed in ONBUILD", None),
    ("FROM x\nONBUILD FROM y", 2, "not allowed in ONBUILD", None),
    ("FROM x\nSHELL sh -c", 2, "JSON array", "SHELL ["),
    ("FROM x\nHEALTHCHECK x", 2, "HEALTHCHECK CMD", None),
    ("FROM x\nHEALTHCHECK CMD", 2, "needs a command", None),
    ("# escape=x\nFROM a", 1, "escape character", None),
    ("# escape=`\n# escape=`\nFROM a", 2, "only once", None),
    ("FROM a\nRUN " + "x" * 70000, 2, "longer than", None),
]


@pytest.mark.parametrize(("text", "line", "message", "hint"), REFUSED)
def test_refused(text: str, line: int, message: str, hint: str | None) -> None:
    """What BuildKit refuses is an error at its line, with a next step where there is one."""
    with pytest.raises(DockerfileError) as caught:
        read(text)
    assert caught.value.message.startswith(f"Dockerfile:{line}: ")
    assert message in caught.value.message
    if hint is not None:
        assert hint in (caught.value.hint or "")


def test_custom_frontend_may_hold_anything() -> None:
    """What only a custom frontend can read is kept as unreadable, with the reason."""
    dockerfile = read("# syntax=acme/yaml:2\nservices: {}\n")
    assert dockerfile.stages == ()
    assert "unknown instruction" in (dockerfile.unreadable or "")


PIECES = [
    "FROM ",
    "scratch",
    "busybox",
    " AS ",
    "a",
    "RUN ",
    "COPY ",
    "ADD ",
    "--from=",
    "--mount=type=",
    "bind",
    "secret",
    ",id=",
    ",source=",
    "\\\n",
    "\n",
    "\n",
    " ",
    "<<EOF",
    "EOF\n",
    "<<-'X'",
    "${",
    "}",
    "$A",
    ":-",
    "'",
    '"',
    "#",
    "# escape=`\n",
    "# syntax=docker/dockerfile:1\n",
    "ARG ",
    "A=",
    "ENV ",
    "[",
    "]",
    "ONBUILD ",
    "https://x/y.git",
    "\r\n",
    "\t",
    "\x00",
    "é",
    "/./",
    "..",
    "*",
    "--parents ",
    "/",
    "0",
    "1",
    "{",
    "%",
    "//",
    "HEALTHCHECK ",
    "SHELL ",
]


def survives(data: bytes) -> None:
    """Parse and use ``data``; the only failure allowed is DockerfileError."""
    with suppress(DockerfileError):
        dockerfile = parse(data, "Dockerfile")
        found = uses(dockerfile, target=None, args={"A": "b"}, platforms=["linux/arm64"], contexts=["a"])
        assert (found.reads is None) != (found.whole_context_because is None)


@given(st.binary(max_size=300))
def test_random_bytes(data: bytes) -> None:
    """Random bytes never raise anything but DockerfileError."""
    survives(data)
    survives(b"FROM scratch\n" + data)


@given(st.lists(st.sampled_from(PIECES), max_size=25))
def test_random_dockerfiles(pieces: list[str]) -> None:
    """Dockerfiles put together at random never raise anything but DockerfileError."""
    survives("".join(pieces).encode())
    survives(("FROM scratch AS a\n" + "".join(pieces)).encode())


@given(st.integers(0, len(SAMPLE) - 1), st.integers(0, 5), st.binary(max_size=4))
def test_mutated_dockerfiles(position: int, cut: int, put: bytes) -> None:
    """A damaged Dockerfile is read or refused, never a crash."""
    survives(SAMPLE[:position] + put + SAMPLE[position + cut :])
