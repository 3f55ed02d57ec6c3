"""Templates and slugs."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline_kit.config import PLACEHOLDERS, PathKind, expand, load, slug
from pipeline_kit.config.placeholders import escape, split_template
from pipeline_kit.reference import is_tag

VALUES = {"sha": "a" * 40, "short_sha": "a" * 12, "branch": "main", "tag": ""}


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("", ""),
        ("latest", "latest"),
        ("{branch}", "main"),
        ("{branch}-{short_sha}", "main-aaaaaaaaaaaa"),
        ("{{branch}}", "{branch}"),
        ("{{{branch}}}", "{main}"),
        ("{{}}", "{}"),
        ("v{tag}", None),
        ("{date}", None),
        ("{branch}-{tag}", None),
    ],
)
def test_expand(template: str, expected: str | None) -> None:
    """Values replace placeholders, doubled braces are literal, and a missing or empty value gives nothing at all."""
    assert expand(template, VALUES) == expected


@given(st.text(max_size=40))
@example("{{}}{a}")
def test_escaped_text_expands_to_itself(text: str) -> None:
    """Any text has a template."""
    assert expand(escape(text), {}) == text


@given(st.text(alphabet="{}aenv.:-sh", max_size=30))
def test_parts_cover_the_template(text: str) -> None:
    """No character of a template is lost: the parts begin where the one before ended."""
    parts = split_template(text)
    assert [part.offset for part in parts] == sorted({part.offset for part in parts})
    assert all(part.kind != "text" or part.value for part in parts)
    if all(part.kind == "text" for part in parts):
        joined = "".join(part.value for part in parts)
        assert escape(joined) == text.replace("{{", "\0").replace("}}", "\1").replace("\0", "{{").replace("\1", "}}")


@pytest.mark.parametrize("name", ["main", "release-1.2", "A_b", "1", "x" * 128])
def test_slug_keeps_legal_tags(name: str) -> None:
    """A branch name that is a legal tag is its own slug."""
    assert slug(name) == name


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("", ""),
        ("feature/login", "feature-login-df7c7aeb"),
        (".hidden", "hidden-16924190"),
        ("-x", "x-a4209624"),
        ("äöü", "bc329dbf"),
        ("x" * 129, "x" * 119 + "-"),
    ],
)
def test_slug_marks_what_it_changed(name: str, expected: str) -> None:
    """Replaced characters leave a readable head and the beginning of the whole name's SHA-256."""
    assert slug(name).startswith(expected)
    assert len(slug(name)) == (128 if len(name) > 128 else len(expected))


def test_slugs_of_alike_branches_differ() -> None:
    """``a/b``, ``a-b``, ``a+b`` and ``a//b`` never share a tag."""
    assert len({slug(name) for name in ("a/b", "a-b", "a+b", "a//b", "/a/b", "x" * 128, "x" * 129, "x" * 130)}) == 8


@given(st.text(min_size=1, max_size=200))
def test_every_slug_is_a_legal_tag(name: str) -> None:
    """Whatever git lets people call a branch, the registry takes the slug, and slugging again changes nothing."""
    assert is_tag(slug(name))
    assert slug(slug(name)) == slug(name)


@pytest.mark.parametrize(
    ("written", "environ", "expected"),
    [
        ("{env.STAGE}", {"STAGE": "prod"}, "prod"),
        ("{env.STAGE:-dev}", {"STAGE": "prod"}, "prod"),
        ("{env.STAGE:-dev}", {}, "dev"),
        ("{env.STAGE:-dev}", {"STAGE": ""}, "dev"),
        ("{env.STAGE:-}", {}, ""),
        ("{env.STAGE}", {"STAGE": ""}, ""),
        ("a-{env.STAGE}-{sha}", {"STAGE": "x"}, "a-x-{sha}"),
        ("{env.STAGE}", {"STAGE": "{sha}"}, "{{sha}}"),
        ("{{env.STAGE}}", {}, "{{env.STAGE}}"),
        ("{env.URL:-http://x:1/a}", {}, "http://x:1/a"),
    ],
)
def test_environment_is_read_once_and_never_as_a_template(written: str, environ: dict[str, str], expected: str) -> None:
    """The model holds the variable's value, with its braces escaped: a value cannot smuggle in a placeholder."""
    text = f'version: 1\nproject: a\nregistry: ghcr.io\nimages: {{api: {{context: ., args: {{A: "{written}"}}}}}}\n'
    config = load(
        text.encode(),
        "f",
        environ=environ,
        exists=lambda path: PathKind.FILE if path == "Dockerfile" else PathKind.DIRECTORY,
    )
    assert config.images["api"].args["A"] == expected


def test_every_placeholder_may_stand_in_an_alias() -> None:
    """The table of placeholders and the reader agree."""
    for name in PLACEHOLDERS:
        assert expand(f"x{{{name}}}", {name: "1"}) == "x1"
