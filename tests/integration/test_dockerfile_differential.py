"""The Dockerfile reader against a real BuildKit: expansion, scopes, refusals, and the files that are read."""

from __future__ import annotations

import fnmatch
import json
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from pipeline_kit.dockerfile import ContextRead, parse, uses
from pipeline_kit.errors import DockerfileError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

pytestmark = pytest.mark.engine

# BuildKit runs inside the engine, and two things make older ones panic, engine and all: an empty pattern (${A%}) and a
# Dockerfile that holds nothing but ARG. They are refused or expanded in the unit tests only.
WORDS = [
    "$A",
    "${A}",
    "${A}x",
    "x$A'$A'",
    '"$A"',
    "\\$A",
    "\\\\$A",
    "he'll'o",
    "he\\'llo",
    '"a\\tb"',
    "a\\tb",
    "$1x",
    "$.",
    "${NONE:-d}",
    "${NONE-d}",
    "${EMPTY:-d}x",
    "${EMPTY-d}x",
    "${A:+y}x",
    "${NONE:+y}x",
    "${EMPTY+y}x",
    "${A:?}x",
    "${NONE:-${EMPTY:-$A}}",
    "${NONE:-\\$A:}x",
    "${A:+${A}:}x",
    "${V#v}",
    "${V#*.}",
    "${V##*.}",
    "${V%.*}",
    "${V%%.*}",
    "${V#?}",
    "${V%-*}",
    "${P/a/X}",
    "${P//a/X}",
    "${P//\\//-}",
    "${P/*b/X}",
    r"${P//a/-\$0-\$x\$\$}",
    "${P//b*/X}",
    "${S#a\\*}",
    "${S//*/x}",
    "${V#nope}",
    "${A}}",
    "${B}한국",
    "\"he'$A'\"",
    "'\"q\"'",
    "x${P//?/z}",
    "${NONE/a/b}x",
    "${U}",
    "${L}",
]

PREAMBLE = """ARG G=global
FROM scratch AS parent
ARG U=one
ENV U=two A=home EMPTY= V=v1.2.3-rc.1 P=a/b/a/b S=a*b
ENV L=before
ARG L=after
FROM parent
ARG B=arg
ENV B=env
"""


def build(env: Mapping[str, str], context: Path, text: str, *options: str) -> subprocess.CompletedProcess[str]:
    """Build ``text`` in ``context`` without any cache."""
    command = ["docker", "buildx", "build", "--progress=plain", "--provenance=false", "-f", "-", *options, str(context)]
    return subprocess.run(command, env=dict(env), input=text, capture_output=True, text=True, timeout=120, check=False)


def labels(env: Mapping[str, str], tmp_path: Path, text: str, *options: str) -> dict[str, str]:
    """Build ``text`` and return the labels of the image."""
    archive = tmp_path / "oci"
    result = build(env, tmp_path, text, f"--output=type=oci,tar=false,dest={archive}", *options)
    assert result.returncode == 0, result.stderr
    blobs = archive / "blobs" / "sha256"
    index = json.loads((archive / "index.json").read_bytes())
    manifest = json.loads((blobs / index["manifests"][0]["digest"][7:]).read_bytes())
    config = json.loads((blobs / manifest["config"]["digest"][7:]).read_bytes())
    found: dict[str, str] = config["config"]["Labels"]
    return found


def pattern(text: str, args: Mapping[str, str]) -> str:
    """Return the one pattern that ``text`` reads."""
    found = uses(parse(text.encode(), "Dockerfile"), target=None, args=args, platforms=["linux/amd64"], contexts=())
    assert found.reads is not None
    return found.reads[0].pattern


def test_words(engine_env: Mapping[str, str], tmp_path: Path) -> None:
    """Every form of expansion gives the text that BuildKit gives."""
    lines = [f"LABEL l{number}=_{word}_" for number, word in enumerate(WORDS)]
    expected = labels(engine_env, tmp_path, PREAMBLE + "\n".join(lines))
    ours = {f"l{number}": pattern(f"{PREAMBLE}COPY _{word}_ /", {}) for number, word in enumerate(WORDS)}
    assert ours == expected


@pytest.mark.parametrize(
    ("text", "args"),
    [
        ("ARG X=1\nFROM scratch\n", {}),
        ("ARG X=1\nFROM scratch\nARG X\n", {}),
        ("ARG X=1\nFROM scratch\nARG X\n", {"X": "2"}),
        ("ARG X=1\nFROM scratch\nARG X=3\n", {}),
        ("FROM scratch\nARG X=3\n", {"X": "4"}),
        ("FROM scratch\n", {"X": "5"}),
        ("FROM scratch\nENV X=6\nARG X=7\n", {}),
        ("FROM scratch\nENV X=6\nARG X\n", {}),
        ("FROM scratch\nENV X=6\nARG X\n", {"X": "8"}),
        ("FROM scratch\nARG X=7\nENV X=6\n", {"X": "8"}),
        ("FROM scratch AS a\nARG X=9\nFROM a\n", {}),
        ("FROM scratch AS a\nENV X=6\nARG X=9\nFROM a\n", {}),
        ("FROM scratch AS a\nARG X=9\nFROM scratch\n", {}),
        ("FROM scratch\nARG Y=1\nARG X=$Y-z\n", {}),
        ("ARG Y=1 X=$Y-z\nFROM scratch\nARG X\n", {}),
        ("FROM scratch\nENV Y=1\nENV Y=2 X=$Y\n", {}),
        ("FROM scratch\nARG TARGETARCH\nENV X=$TARGETARCH\n", {}),
        ("FROM scratch\nARG TARGETARCH\nENV X=$TARGETARCH\n", {"TARGETARCH": "mine"}),
        ("FROM scratch AS a\nONBUILD ARG X=10\nFROM a\n", {}),
        ("FROM scratch AS a\nONBUILD ENV X=11\nFROM a AS b\nFROM b\n", {}),
        ("# escape=`\nFROM scratch\nENV X=`\n12\\\n", {}),
        ("FROM scratch\nENV X=\\\n# comment\n\n13\n", {}),
        ("FROM scratch\nENV X 14 and more\n", {}),
        ("FROM scratch\nENV X=$PATH\n", {}),
    ],
)
def test_scopes(engine_env: Mapping[str, str], tmp_path: Path, text: str, args: dict[str, str]) -> None:
    """ARG, ENV, stages, triggers and build arguments give a variable the value that BuildKit gives it."""
    options = [f"--build-arg={name}={value}" for name, value in args.items()]
    label = labels(engine_env, tmp_path, text + 'LABEL x="_/$X"', "--platform=linux/amd64", *options)["x"]
    assert pattern(text + 'COPY "_/$X" /', args) == label.rstrip("/").replace("//", "/")


@pytest.mark.parametrize(
    "text",
    [
        "FROM scratch\nRUNN x",
        "FROM scratch AS 1x\nCOPY a /",
        "FROM scratch\nCOPY --form=x a /",
        "FROM scratch\nCOPY --from=$X a /",
        "FROM scratch\nCOPY --from=3 a /",
        "FROM scratch\nCOPY --from=0 a /",
        "FROM scratch\nCOPY a",
        "FROM scratch\nENV A",
        "FROM scratch\nLABEL a=${A:?no}",
        "FROM scratch\nLABEL a='x",
        "FROM scratch\nCOPY <<EOF /x\nabc",
        "FROM scratch\nRUN --mount=typ=bind x",
        "FROM scratch\nCOPY https://127.0.0.1/x /",
        "# escape=x\nFROM scratch\nCOPY a /",
        "# escape=`\n# escape=`\nFROM scratch\nCOPY a /",
        "RUN x\nFROM scratch",
        "FROM scratch\nONBUILD ONBUILD COPY a /",
        "FROM scratch\nSHELL sh",
        "FROM scratch\nCMD --x y",
        "FROM scratch\nRUN [1]",
        "FROM scratch\nLABEL a=${A:=x}",
        "FROM scratch AS a\nCOPY --from=b a /\nFROM scratch AS b\nCOPY a /\nFROM a",
    ],
)
def test_refusals(engine_env: Mapping[str, str], tmp_path: Path, text: str) -> None:
    """What is refused here is refused by BuildKit too."""
    (tmp_path / "a").write_text("a")
    refused = build(engine_env, tmp_path, text)
    assert refused.returncode != 0
    # Which of the two comes through depends on whether the build or its status ends first.
    assert "failed to solve" in refused.stderr or "failed to run Build function" in refused.stderr
    with pytest.raises(DockerfileError):
        uses(parse(text.encode(), "Dockerfile"), target=None, args={}, platforms=["linux/amd64"], contexts=())


FILES = ("a", "b.txt", "c.txt", "d/e", "d/f/g.txt", "d/[x]", "été", "with blank", "q?", "1", "h/i/j.md", "-dash")


def fill(root: Path, names: tuple[str, ...] | list[str]) -> Path:
    """Write one file for each of ``names`` below ``root``."""
    root.mkdir()
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return root


def covered(name: str, reads: tuple[ContextRead, ...]) -> bool:
    """Tell whether a read takes the file ``name``: by itself, or through a directory above it."""
    parts = name.split("/")
    above = ["/".join(parts[: count + 1]) for count in range(len(parts))]
    return any(
        read.pattern == "."
        or any(
            (fnmatch.fnmatchcase(path, read.pattern) and path.count("/") == read.pattern.count("/"))
            if read.is_glob
            else path == read.pattern
            for path in above
        )
        for read in reads
    )


def tree(env: Mapping[str, str], context: Path, text: str, out: Path) -> dict[str, bytes]:
    """Build ``text`` and return its files."""
    result = build(env, context, text, f"--output=type=local,dest={out}")
    assert result.returncode == 0, result.stderr
    found = {str(path.relative_to(out)): path.read_bytes() for path in sorted(out.rglob("*")) if path.is_file()}
    shutil.rmtree(out)
    return found


@pytest.mark.parametrize(
    "body",
    [
        "COPY a /x/",
        "COPY *.txt /x/",
        "COPY d /x/",
        "COPY d/*/*.txt /x/",
        "COPY d/[[]x] /x/",
        "COPY ./d/../h/ /x/",
        "COPY ../../a /x/",
        'COPY ["with blank", "/x/"]',
        "COPY été q[?] /x/",
        "ARG N=1\nCOPY $N ${N:+b}.txt /x/",
        "COPY <<one <<-two a /x/\nfrom $HOME\none\n\ttabs\ntwo",
        "COPY -- -dash /x/",
        "ADD h a /x/",
        "COPY $NOTHING /x/",
        "ENV D=d\nCOPY --link --chmod=600 $D/e /x/\nCOPY --chown=1:1 h/i /x/",
    ],
)
def test_reads_are_enough(engine_env: Mapping[str, str], tmp_path: Path, body: str) -> None:
    """A context with nothing but the files that are read gives the same image as the whole context."""
    text = f"FROM scratch\n{body}\n"
    found = uses(parse(text.encode(), "Dockerfile"), target=None, args={}, platforms=["linux/amd64"], contexts=())
    assert found.reads is not None
    kept = [name for name in FILES if covered(name, found.reads)]
    assert kept
    whole = tree(engine_env, fill(tmp_path / "whole", FILES), text, tmp_path / "out")
    assert tree(engine_env, fill(tmp_path / "kept", kept), text, tmp_path / "out") == whole


def test_named_context_overrides(engine_env: Mapping[str, str], tmp_path: Path) -> None:
    """Named contexts replace stages and images of any equal spelling, exactly where we say so."""
    other = fill(tmp_path / "other", ["file"])
    text = (
        "FROM never.invalid/x AS stage\nFROM scratch\nCOPY --from=stage file /1\nCOPY --from=STAGE file /2\n"
        "COPY --from=0 file /3\nCOPY --from=docker.io/library/thing:latest file /4\n"
    )
    dockerfile = parse(text.encode(), "Dockerfile")
    found = uses(dockerfile, target=None, args={}, platforms=["linux/amd64"], contexts=["stage", "thing"])
    assert (found.images, found.unresolved, found.contexts) == ((), (), ("stage", "thing"))
    options = [
        f"--build-context=stage={other}",
        f"--build-context=thing={other}",
        f"--output=type=local,dest={tmp_path / 'out'}",
    ]
    result = build(engine_env, fill(tmp_path / "main", ["x"]), text, *options)
    assert result.returncode == 0, result.stderr
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["1", "2", "3", "4"]


@pytest.mark.parametrize(
    ("target", "base", "is_taken"),
    [
        ("one", "one", True),
        ("ONE", "one", True),
        ("0", "one", False),
        ("00", "one", False),
        ("", "one", True),
        ("", "ONE", False),
        ("", "One", False),
    ],
)
def test_stages_are_found_by_the_same_names(
    engine_env: Mapping[str, str], tmp_path: Path, target: str, base: str, is_taken: bool
) -> None:
    """A target is a name in any case and never a number; a FROM names a stage in lower case only."""
    text = f"FROM scratch AS One\nCOPY a /\nFROM {base}\nCOPY a /b\n"
    try:
        found = uses(parse(text.encode(), "Dockerfile"), target=target, args={}, platforms=["linux/amd64"], contexts=())
        ours = not found.unresolved
    except DockerfileError:
        ours = False
    options = ["--output=type=cacheonly", *([f"--target={target}"] if target else [])]
    result = build(engine_env, fill(tmp_path / "main", ["a"]), text, *options)
    assert (ours, result.returncode == 0) == (is_taken, is_taken), result.stderr
