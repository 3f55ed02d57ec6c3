from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_kit.adapters.builders.rewrite import rewrite, unsupported
from pipeline_kit.errors import DockerfileError

_NEW = "host/base@sha256:" + "0" * 64


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("FROM base\n", f"FROM {_NEW}\n"),
        ("FROM base", f"FROM {_NEW}"),
        ("from   base as base\r\nRUN x\r\n", f"from   {_NEW} as base\r\nRUN x\r\n"),
        ("FROM --platform=linux/amd64 base AS x\n", f"FROM --platform=linux/amd64 {_NEW} AS x\n"),
        ("FROM \\\n# base\n  base \\\n AS x\n", f"FROM \\\n# base\n  {_NEW} \\\n AS x\n"),
        ("ARG B=base\nFROM ${B}\n", f"ARG B=base\nFROM {_NEW}\n"),
        ("FROM other\nCOPY --from=base /base /base\n", f"FROM other\nCOPY --from={_NEW} /base /base\n"),
        ("FROM other\nCOPY --chown=1 --from=base a b\n", f"FROM other\nCOPY --chown=1 --from={_NEW} a b\n"),
        ("# escape=`\nFROM `\nbase\nRUN base\n", f"# escape=`\nFROM `\n{_NEW}\nRUN base\n"),
        ("from from AS x\n", "from from AS x\n"),
        ("FROM based\nRUN echo FROM base\n", "FROM based\nRUN echo FROM base\n"),
        ("FROM other\nLABEL a=\xe9\n", "FROM other\nLABEL a=\xe9\n"),
    ],
)
def test_references_are_replaced(before: str, after: str) -> None:
    """FROM and ``COPY --from`` point to the replacement; every other byte stays."""
    assert rewrite(before.encode("latin-1"), {"base": _NEW}, {}) == after.encode("latin-1")


def test_reference_that_an_argument_gives() -> None:
    """A build argument in FROM is expanded before the look-up."""
    text = b"ARG TAG=1\nFROM base:$TAG\n"
    assert rewrite(text, {"base:2": _NEW}, {"TAG": "2"}) == f"ARG TAG=1\nFROM {_NEW}\n".encode()
    assert rewrite(text, {"base:2": _NEW}, {}) == text


def test_base_called_like_the_keyword() -> None:
    """The keyword is not taken for a reference of the same name."""
    assert rewrite(b"from from\n", {"from": _NEW}, {}) == f"from {_NEW}\n".encode()


def test_unreadable_dockerfile() -> None:
    """What BuildKit would refuse is refused here, with its line."""
    with pytest.raises(DockerfileError, match="2"):
        rewrite(b"FROM base\nFLY away\n", {}, {})


@given(st.text(alphabet="abc \\\n\t#'\"", max_size=40))
def test_nothing_to_replace_changes_nothing(tail: str) -> None:
    """Without replacements the bytes are the same."""
    data = f"FROM base\nRUN x {tail}".encode()
    with contextlib.suppress(DockerfileError):
        assert rewrite(data, {}, {}) == data


@pytest.mark.parametrize(
    ("text", "reasons"),
    [
        ("FROM --platform=linux/amd64 a\nCOPY --from=b --chown=1 x y\nADD --chown=1 x y\n", []),
        ("FROM a\nHEALTHCHECK --interval=1s CMD x\n", []),
        ("FROM a\nRUN --mount=type=tmpfs --network=none y\n", ["line 2: RUN --mount", "line 2: RUN --network"]),
        ("FROM a\nCOPY --link x y\nADD --checksum=sha256:0 x y\n", ["line 2: COPY --link", "line 3: ADD --checksum"]),
        ("FROM a\nRUN <<E\nx\nE\n", ["line 2: a here-document"]),
        ("# syntax=docker/dockerfile:1\nFROM a\n", []),
        ("# syntax=host/other/frontend\nwhatever\n", ["line 1: the frontend host/other/frontend"]),
    ],
)  # fmt: skip
def test_what_the_classic_builder_cannot_do(text: str, reasons: list[str]) -> None:
    """Each feature of BuildKit's own is listed with its line."""
    assert unsupported(text.encode()) == reasons
