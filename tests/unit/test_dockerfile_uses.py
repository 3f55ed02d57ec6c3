"""What a target uses: stages, images, contexts, files, build arguments."""

from __future__ import annotations

import pytest

from pipeline_kit.dockerfile import ContextRead, RemoteAdd, Uses, parse, uses
from pipeline_kit.dockerfile.volatile import arg_uses
from pipeline_kit.errors import DockerfileError


def use(
    text: str,
    *,
    target: str | None = None,
    args: dict[str, str] | None = None,
    platforms: tuple[str, ...] = ("linux/amd64",),
    contexts: tuple[str, ...] = (),
) -> Uses:
    """Return what the Dockerfile ``text`` uses."""
    return uses(
        parse(text.encode(), "Dockerfile"), target=target, args=args or {}, platforms=platforms, contexts=contexts
    )


def images(found: Uses) -> list[str]:
    """Return the references of the external images."""
    return [image.reference for image in found.images]


def patterns(text: str, **kwargs: dict[str, str]) -> list[str] | None:
    """Return the patterns that the Dockerfile ``text`` reads from the main context."""
    reads = use(text, **kwargs).reads  # type: ignore[arg-type] # only args are passed
    return None if reads is None else [read.pattern for read in reads]


MANY = """ARG GO=1.22
FROM golang:${GO} AS Build
RUN --mount=type=cache,target=/c --mount=from=tools:1,target=/t make
FROM alpine AS unused
COPY never /
FROM build AS test
FROM busybox@sha256:{digest}
COPY --from=BUILD /a /a
COPY --from=0 /b /b
COPY --from=alpine:3 /c /c
COPY --from=scratch /d /d
""".replace("{digest}", "a" * 64)


def test_reads_are_told_apart_by_context() -> None:
    """Reads of the main context and of each named one are separate."""
    found = use("FROM scratch\nCOPY a /\nCOPY --from=other b /\nCOPY c /\n", contexts=("other",))
    assert [read.pattern for read in found.reads_of("")] == ["a", "c"]
    assert [read.pattern for read in found.reads_of("other")] == ["b"]
    assert found.reads_of("absent") == ()


def test_reachable_stages_and_images() -> None:
    """Only what the target needs counts; images come in first-use order, once, with line and kind."""
    found = use(MANY)
    assert found.stages == (0, 3)
    assert [(image.reference, image.line, image.kind) for image in found.images] == [
        ("golang:1.22", 2, "FROM"),
        ("tools:1", 3, "RUN --mount"),
        ("busybox@sha256:" + "a" * 64, 7, "FROM"),
        ("alpine:3", 10, "COPY --from"),
    ]
    assert found.external_bases == ("golang:1.22", "busybox@sha256:" + "a" * 64)
    assert found.reads == ()
    assert found.unresolved == ()


@pytest.mark.parametrize(
    ("target", "stages"),
    [("build", (0,)), ("BUILD", (0,)), ("test", (0, 2)), ("unused", (1,)), ("", (0, 3))],
)
def test_target(target: str, stages: tuple[int, ...]) -> None:
    """A target is a name in any case."""
    assert use(MANY, target=target).stages == stages


@pytest.mark.parametrize("target", ["tests", "0", "1", "4", "-1", "²"])
def test_unknown_target(target: str) -> None:
    """An unknown target lists the stages; a number is none for BuildKit, unlike in --from."""
    with pytest.raises(DockerfileError, match="build, unused, test"):
        use(MANY, target=target)


@pytest.mark.parametrize(
    ("text", "args", "reference"),
    [
        ("ARG A=1\nFROM x:$A", {}, "x:1"),
        ("ARG A=1\nFROM x:$A", {"A": "2"}, "x:2"),
        ("ARG A\nFROM x:${A:-3}", {}, "x:3"),
        ("ARG A\nFROM x${A:+:$A}", {}, "x"),
        ("ARG A\nFROM x${A:+:$A}", {"A": "4"}, "x:4"),
        ("ARG A=1 B=$A-b\nFROM x:$B", {}, "x:1-b"),
        ("ARG A=v1.2.3\nFROM x:${A#v}", {}, "x:1.2.3"),
        ("ARG A=1.2.3\nFROM x:${A%.*}", {}, "x:1.2"),
        ("ARG A=a-b\nFROM x:${A/-/_}", {}, "x:a_b"),
        ('FROM "x:1"', {}, "x:1"),
        ("FROM x:$UNDECLARED", {"UNDECLARED": "1"}, None),
        ("ARG R=h:5000/\nFROM ${R}x", {}, "h:5000/x"),
        ("FROM x-$TARGETARCH", {}, "x-amd64"),
        ("FROM --platform=$BUILDPLATFORM x", {}, "x"),
        ("FROM x:$BUILDARCH", {}, None),
        ("ARG V=$BUILDOS\nFROM x:$V", {}, None),
        ("FROM x:$BUILDARCH", {"BUILDARCH": "arm64"}, "x:arm64"),
        ("ARG A\nFROM x:$A", {}, None),
        ("ARG A\nFROM ${A:?needed}", {}, None),
        ("FROM Not:Valid:At:All", {}, None),
    ],
)
def test_from_expansion(text: str, args: dict[str, str], reference: str | None) -> None:
    """FROM expands with global arguments; what has no value is reported, with a reason, and never guessed."""
    found = use(text, args=args)
    assert images(found) == ([reference] if reference else [])
    assert len(found.unresolved) == (0 if reference else 1)
    assert all(missing.why and missing.line for missing in found.unresolved)


def test_platforms_are_evaluated_one_by_one() -> None:
    """A base that depends on the target platform gives one image for each; the same base gives one."""
    found = use("FROM x-$TARGETARCH$TARGETVARIANT\nCOPY --from=y a b", platforms=("linux/x86_64", "linux/arm/v7"))
    assert images(found) == ["x-amd64", "y", "x-armv7"]
    assert (
        use("FROM x-$TARGETARCH", platforms=()).unresolved[0].why
        == "it depends on TARGETARCH, and no platform is given"
    )


def test_syntax_image() -> None:
    """``# syntax=`` is an image of its own, and the BUILDKIT_SYNTAX argument replaces it."""
    text = "# syntax=docker/dockerfile:1\nFROM scratch\nCOPY a b"
    assert [(image.reference, image.line, image.kind) for image in use(text).images] == [
        ("docker/dockerfile:1", 1, "syntax")
    ]
    given = use(text, args={"BUILDKIT_SYNTAX": "acme/front:2 --x"})
    assert [(image.reference, image.line) for image in given.images] == [("acme/front:2", 0)]
    assert given.reads is None
    assert use(text).reads is not None


def test_custom_frontend_sees_everything() -> None:
    """A custom frontend may read any file and any build argument."""
    found = use("# syntax=acme/front\nFROM x\nCOPY a b", args={"Z": "1"})
    assert found.whole_context_because == "line 1: the frontend acme/front may read any file"
    assert "Z" in found.visible_args
    assert images(found) == ["acme/front", "x"]
    assert use("# syntax=acme/front\nnonsense").unresolved[0].text == "syntax=acme/front"


CONTEXTS = """FROM busybox:latest AS base
FROM base AS build
COPY --from=assets a/*.js /
RUN --mount=from=assets,source=b,target=/b true
FROM docker.io/library/alpine:3
COPY --from=build /x /x
"""


@pytest.mark.parametrize(
    ("contexts", "used", "bases", "external"),
    [
        ((), (), (), ["busybox:latest", "assets", "alpine:3"]),
        (("base", "other"), ("base",), ("base",), ["assets", "alpine:3"]),
        (("BASE",), (), (), ["busybox:latest", "assets", "alpine:3"]),
        (("build",), ("build",), (), ["alpine:3"]),
        (("busybox",), ("busybox",), ("busybox",), ["assets", "alpine:3"]),
        (("docker.io/library/busybox:latest",), ("docker.io/library/busybox:latest",), None, ["assets", "alpine:3"]),
        (("alpine",), (), (), ["busybox:latest", "assets", "alpine:3"]),
        (("alpine:3", "assets"), ("assets", "alpine:3"), ("alpine:3",), ["busybox:latest"]),
    ],
)
def test_named_contexts(
    contexts: tuple[str, ...], used: tuple[str, ...], bases: tuple[str, ...] | None, external: list[str]
) -> None:
    """A named context stands in for a stage of its name and for an image of any equal spelling."""
    found = use(CONTEXTS, contexts=contexts)
    assert found.contexts == used
    assert found.context_bases == (used if bases is None else bases)
    assert [image.removeprefix("docker.io/library/") for image in images(found)] == external


def test_named_context_reads() -> None:
    """What is read from a named context is told path by path, and a context as base is read as a whole."""
    found = use(CONTEXTS, contexts=("assets", "base"))
    assert found.reads == (
        ContextRead("base", ".", 2),
        ContextRead("assets", "a/*.js", 3, is_glob=True),
        ContextRead("assets", "b", 4),
    )


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("COPY . /x", ["."]),
        ("COPY / /x", ["."]),
        ("COPY ./ /x", ["."]),
        ("COPY a/../.. /x", ["."]),
        ("COPY a /b/ ../c//d/ /x/", ["a", "b", "c/d"]),
        ('COPY ["a b", "/x"]', ["a b"]),
        ("COPY --chown=1 --chmod=755 --link a /x", ["a"]),
        ("COPY <<EOF /x\nhello\nEOF", []),
        ("COPY a <<EOF /x\nhello\nEOF", ["a"]),
        ("ADD rootfs.tar.gz /", ["rootfs.tar.gz"]),
        ("ADD github.com/a/b /x", ["github.com/a/b"]),
        ("COPY *.txt /x", ["*.txt"]),
        ("RUN --mount=type=bind,source=go.mod,target=go.mod x", ["go.mod"]),
        ("RUN --mount=src=a,dst=/b,ro x", ["a"]),
        ("RUN --mount=type=bind,target=. x", ["."]),
        ("RUN --mount=type=cache,target=/c --mount=type=tmpfs,target=/t x", []),
        ("RUN --mount=type=secret,id=s --mount=type=ssh x", []),
        ("ARG A=a\nCOPY $A /x", ["a"]),
        ("ENV A=a\nCOPY ${A}/b /x", ["a/b"]),
        ("ARG A=a\nENV A=b\nCOPY $A /x", ["b"]),
        ("ENV A=b\nARG A=a\nCOPY $A /x", ["a"]),
        ("ENV A=1\nENV A=2 B=$A\nCOPY $B /x", ["1"]),
        ("ARG A=1\nARG B=$A\nCOPY $B /x", ["1"]),
        ("ARG A=1 B=$A\nCOPY $B /x", None),
        ("COPY $NOTHING /x", ["."]),
        ("COPY a$NOTHING /x", ["a"]),
        ("ARG A=a\nRUN --mount=source=$A,target=/x true", ["a"]),
        ("COPY --parents a/./b/**/c.txt /x", ["a/b/**/c.txt"]),
        ("COPY été /x", ["été"]),
        ("RUN --mount=source=été,target=/x true", None),
        ("COPY \0a /x", None),
    ],
)
def test_reads_on_scratch(body: str, expected: list[str] | None) -> None:
    """Sources are told path by path; ``.`` is the whole context and ``None`` is not understood."""
    assert patterns(f"FROM scratch\n{body}") == expected


def test_read_details() -> None:
    """Parents, excludes and globs are kept; a class and an escape are told apart."""
    found = use("FROM scratch\nCOPY --parents --exclude=*.md --exclude=t a/./b? /x\nCOPY [[]x /y\nCOPY \\\\*x /z")
    assert found.reads == (
        ContextRead(None, "a/b?", 2, is_glob=True, parents=True, excludes=("*.md", "t")),
        ContextRead(None, "[[]x", 3, is_glob=True),
        ContextRead(None, "\\*x", 4),
    )


@pytest.mark.parametrize(
    ("text", "args", "expected"),
    [
        ("FROM x\nCOPY $A /", {}, None),
        ("FROM x\nARG A\nCOPY $A /", {}, None),
        ("FROM x\nARG A\nCOPY $A /", {"A": "a"}, ["a"]),
        ("FROM x\nCOPY $A /", {"A": "a"}, None),
        ("FROM x\nARG A=$B\nCOPY $A /", {}, None),
        ("FROM x\nARG A=$B\nCOPY $A /", {"A": "a"}, ["a"]),
        ("FROM x\nENV $K=v\nARG A=1\nCOPY $A /", {}, ["1"]),
        ("FROM x\nARG A=1\nENV $K=v\nCOPY $A /", {}, None),
        ("ARG A=g\nFROM x\nARG A\nCOPY $A /", {}, ["g"]),
        ("ARG A=g\nFROM x\nARG A=s\nCOPY $A /", {}, ["s"]),
        ("ARG A=g\nFROM scratch\nCOPY x$A /", {}, ["x"]),
        ("FROM x\nARG TARGETARCH\nCOPY bin/$TARGETARCH /", {}, ["bin/amd64"]),
        ("FROM x\nARG BUILDARCH\nCOPY bin/$BUILDARCH /", {}, None),
        ("FROM x AS a\nARG V=1\nENV E=2\nFROM a\nCOPY $V $E /", {}, ["1", "2"]),
        ("FROM x AS a\nENV E=2\nARG E=3\nFROM a\nCOPY $E /", {}, ["2"]),
        ("FROM x\nCOPY --from=y $A /", {}, []),
        ("FROM x\nRUN --mount=type=$T,target=/x true", {}, None),
        ("FROM x\nRUN --mount=source=$S,target=/x true", {}, None),
        ("FROM x\nRUN --mount=source=s,target=$T true", {}, ["s"]),
        ("FROM scratch\nARG TARGETSTAGE\nCOPY $TARGETSTAGE /x", {}, None),
        ("FROM x\nCOPY ${PATH}a /", {}, None),
        ("FROM x\nADD https://h/f a /", {}, ["a"]),
        ("FROM x\nADD --checksum=sha256:abc https://h/f /", {}, []),
        ("FROM x\nADD https://h/r.git#main /", {}, []),
        ("FROM x\nADD git@h:r.git#" + "a" * 40 + ":sub a /", {}, ["a"]),
        ("FROM x\nARG SOURCE_DATE_EPOCH", {"SOURCE_DATE_EPOCH": "0"}, []),
        ("FROM x", {"SOURCE_DATE_EPOCH": "context"}, None),
        ("ARG SOURCE_DATE_EPOCH=context\nFROM x", {}, None),
    ],
)
def test_reads_with_variables(text: str, args: dict[str, str], expected: list[str] | None) -> None:
    """A variable that a base image may set is not understood; what ARG and ENV here set is."""
    assert patterns(text, args=args) == expected


def test_a_base_is_a_stage_in_the_very_letters_only() -> None:
    """BuildKit takes ``FROM A`` for an image whatever stages there are, and finds no such image's name legal."""
    assert use("FROM scratch AS A\nCOPY x /\nFROM a\n").stages == (0, 1)
    assert use("FROM scratch AS a\nCOPY x /\nFROM A\n").unresolved[0].text == "A"


def test_because_names_the_line() -> None:
    """The reason for reading everything can be shown to people."""
    assert use("FROM x\n\nCOPY $A /").whole_context_because == "line 3: COPY $A needs A, which may come from the base"
    assert use("FROM x\nCOPY a b", platforms=("windows/amd64",)).whole_context_because == "sources are Windows paths"


def test_remotes() -> None:
    """Remote sources are told with what pins them."""
    commit = "b" * 40
    found = use(
        f"FROM scratch\nARG S=sha256:1\nADD --checksum=$S https://h/f.tgz /\nADD https://h/r.git#{commit} /\n"
        f"ADD https://h/r.git?checksum={commit} ssh://g@h/r /\n"
    )
    assert found.remotes == (
        RemoteAdd("https://h/f.tgz", 3, "sha256:1"),
        RemoteAdd(f"https://h/r.git#{commit}", 4, commit),
        RemoteAdd(f"https://h/r.git?checksum={commit}", 5, commit),
        RemoteAdd("ssh://g@h/r", 5, None),
    )


ONBUILD = """FROM scratch AS base
ARG D=dir
ONBUILD COPY $D /
ONBUILD COPY --from=tool:1 /a /b
ONBUILD RUN <<EOF
x
EOF
FROM base AS child
FROM child AS grandchild
"""


def test_onbuild_fires_in_the_next_stage_only() -> None:
    """Triggers of a stage run in the stages built upon it, once, with their own lines."""
    assert use(ONBUILD, target="base").reads == ()
    child = use(ONBUILD, target="child")
    assert child.reads == (ContextRead(None, "dir", 3),)
    assert [(image.reference, image.line) for image in child.images] == [("tool:1", 4)]
    assert use(ONBUILD).reads == child.reads
    with pytest.raises(DockerfileError, match=r"Dockerfile:\d+: unknown instruction: NONSENSE"):
        use("FROM scratch AS a\nONBUILD NONSENSE x\nFROM a")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "FROM scratch AS a\nCOPY --from=b x y\nFROM scratch AS b\nCOPY --from=a x y",
            "stage 'a' is used before|'b' is used",
        ),
        ("FROM scratch\nCOPY --from=0 a b", "'0' is used before"),
        ("FROM scratch\nCOPY --from=7 a b", "only stages 0 to 0"),
        ("FROM scratch\nCOPY --from=-1 a b", "only stages 0 to 0"),
        ("FROM scratch\nCOPY https://x/y b", "COPY cannot take the remote source"),
        ("FROM scratch\nLABEL a=${X:?no}", "X: no"),
        ("ARG A=${X:?no}\nFROM scratch", "Dockerfile:1: X: no"),
        ("FROM scratch\nRUN --mount=type=bnid x", "unsupported type 'bnid'"),
        ("FROM scratch\nRUN --mount=typ=bind x", "unexpected key 'typ'"),
        ("FROM scratch\nRUN --mount=target x", "'target' needs a value"),
        ("FROM scratch\nRUN --mount=type=secret x", "needs an id"),
    ],
)
def test_refused(text: str, message: str) -> None:
    """What BuildKit refuses in a stage that is built is refused with its line."""
    with pytest.raises(DockerfileError, match=message):
        use(text + "\n")


def test_secrets_and_ssh() -> None:
    """Secret and ssh ids are told as the client is asked for them."""
    found = use(
        "FROM scratch\nARG I=three\nRUN --mount=type=secret,id=one,env=T --mount=type=secret,target=/a/two x\n"
        "RUN --mount=type=secret,id=$I --mount=type=ssh --mount=type=ssh,id=gh --mount=type=secret,source=four x"
    )
    assert found.secrets == ("one", "two", "three", "four")
    assert found.ssh == ("default", "gh")


@pytest.mark.parametrize(
    ("text", "args", "visible"),
    [
        ("ARG A=1\nFROM x", {}, set()),
        ("ARG A=1\nFROM x:$A", {}, {"A"}),
        ("ARG A=1 B=$A\nFROM x:$B", {}, {"A", "B"}),
        ("ARG A=1 B=$A\nFROM x:$B", {"B": "2"}, {"B"}),
        ("ARG P=linux/amd64\nFROM --platform=$P x", {}, {"P"}),
        ("FROM x\nARG A", {}, {"A"}),
        ("ARG G B=$G\nFROM x\nARG B", {}, {"B", "G"}),
        ("FROM x AS u\nARG U\nFROM x\nARG A", {}, {"A"}),
        ("FROM x AS u\nARG U\nFROM u", {}, {"U"}),
        ("FROM x", {"Z": "1", "HTTP_PROXY": "p", "http_proxy": "p"}, set()),
        ("FROM x\nARG HTTP_PROXY", {"HTTP_PROXY": "p"}, {"HTTP_PROXY"}),
        (
            "FROM x",
            {"BUILDKIT_INLINE_CACHE": "1", "SOURCE_DATE_EPOCH": "0"},
            {"BUILDKIT_INLINE_CACHE", "SOURCE_DATE_EPOCH"},
        ),
        ("FROM scratch AS a\nONBUILD ARG O\nFROM a", {}, {"O"}),
    ],
)
def test_visible_args(text: str, args: dict[str, str], visible: set[str]) -> None:
    """Build arguments count where they are declared and reachable; undeclared ones and proxies do not."""
    assert use(text, args=args).visible_args == visible


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("FROM x\nRUN a", ()),
        ("FROM x\nRUN a\nARG SHA\nCMD b", ()),
        ("FROM x\nARG SHA\nRUN a\nCOPY a b", (3,)),
        ("FROM x\nARG SHA\nCOPY $SHA b\nLABEL c=$SHA", (3,)),
        ("FROM x\nARG SHA\nLABEL revision=$SHA", ()),
        ("FROM x\nARG SHA\nENV V=$SHA\nRUN a", (3, 4)),
        ("FROM x\nARG SHA\nENV SHA=fixed\nRUN a", ()),
        ("FROM x\nARG SHA\nARG D=${SHA}x\nENV SHA=1\nRUN a", (5,)),
        ("ARG SHA\nFROM x:$SHA", (2,)),
        ("ARG SHA\nARG T=$SHA\nFROM x\nRUN a\nARG T\nRUN b", (6,)),
        ("ARG SHA\nFROM x\nRUN a", ()),
        ("FROM x AS a\nARG SHA\nFROM a\nRUN b", (4,)),
        ("FROM x AS a\nARG SHA\nRUN b\nFROM x\nRUN c", ()),
        ("FROM x\nARG SHA\nCOPY <<E /v\n$SHA\nE", (3,)),
        ("FROM x\nARG SHA\nCOPY <<'E' /v\n$SHA\nE", ()),
        ("FROM x\nARG SHA\nWORKDIR /$SHA\nUSER u\nEXPOSE $SHA", (3, 5)),
        ("FROM x\nARG SHA\nHEALTHCHECK CMD $SHA\nENTRYPOINT $SHA", ()),
        ("FROM x AS a\nONBUILD RUN b\nFROM a\nARG SHA", ()),
        ("FROM x AS a\nARG SHA\nONBUILD RUN b\nFROM a", (3,)),
    ],
)
def test_arg_uses(text: str, lines: tuple[int, ...]) -> None:
    """A volatile argument is found in every cached step that it reaches, and nowhere else."""
    assert arg_uses(parse(text.encode(), "Dockerfile"), None, "SHA") == lines
