from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_kit.reference import is_tag
from pipeline_kit.scopes import SUFFIX, TRUSTED, Scope, lane, matches, scope_of

MAIN = ["refs/heads/main", "refs/tags/*"]


@pytest.mark.parametrize(
    ("pattern", "ref", "expected"),
    [
        ("refs/heads/main", "refs/heads/main", True),
        ("refs/heads/main", "refs/heads/main2", False),
        ("refs/heads/main", "refs/heads/MAIN", False),
        ("refs/tags/*", "refs/tags/v1.0", True),
        ("refs/tags/*", "refs/tags/api/v1.0", False),
        ("refs/tags/**", "refs/tags/api/v1.0", True),
        ("refs/heads/release-?", "refs/heads/release-1", True),
        ("refs/heads/release-?", "refs/heads/release-/", False),
        ("refs/heads/a.c", "refs/heads/abc", False),
        ("refs/heads/*", "refs/heads/x\ny", True),
        ("refs/heads/[ab]", "refs/heads/a", False),
    ],
)
def test_patterns_of_refs(pattern: str, ref: str, *, expected: bool) -> None:
    """A star stays between slashes, two go over them; everything else is itself."""
    assert matches(pattern, ref) is expected


def test_without_patterns_every_ref_is_trusted() -> None:
    """Also an unknown one, and a pull request of the same repository."""
    assert scope_of("", []) == TRUSTED
    assert scope_of("refs/pull/3/merge", [], is_pull=True) == TRUSTED
    assert scope_of("refs/pull/3/merge", [], is_fork=None, is_pull=True) == TRUSTED


def test_a_fork_is_never_trusted() -> None:
    """Whatever the patterns say: the file that holds them may be the fork's."""
    for patterns in ([], ["refs/**"]):
        assert scope_of("refs/pull/12/head", patterns, is_fork=True, is_pull=True).name == "pr-12"


@pytest.mark.parametrize(
    ("ref", "is_fork", "is_pull", "expected"),
    [
        ("refs/heads/main", False, False, "trusted"),
        ("refs/tags/v1", False, False, "trusted"),
        ("refs/pull/7/merge", False, True, "pr-7"),
        ("refs/pull/7/merge", None, True, "pr-7"),
        ("", False, False, "unknown"),
    ],
)
def test_scopes_by_ref(ref: str, *, is_fork: bool | None, is_pull: bool, expected: str) -> None:
    """Only what a pattern names is trusted; what is not known is not."""
    assert scope_of(ref, MAIN, is_fork=is_fork, is_pull=is_pull).name == expected


def test_a_pull_request_of_unknown_origin_is_not_made_trusted_by_a_pattern() -> None:
    """CodeBuild does not say whether it is a fork's."""
    assert not scope_of("refs/pull/7/head", ["refs/**"], is_fork=None, is_pull=True).is_trusted
    assert scope_of("refs/pull/7/head", ["refs/**"], is_fork=False, is_pull=True).is_trusted


def test_lanes_of_different_refs_differ() -> None:
    """A branch called like a pull request does not get into its lane."""
    names = {lane(ref) for ref in ("refs/heads/a", "refs/heads/b", "refs/heads/pr-1", "refs/pull/1/head", "")}
    assert len(names) == 5


def test_a_lane_reads_what_is_trusted_and_its_own() -> None:
    """And a trusted run only what is trusted."""
    own = Scope("pr-1")
    assert [own.accepts(scope) for scope in ("trusted", "pr-1", "pr-2")] == [True, True, False]
    assert [TRUSTED.accepts(scope) for scope in ("trusted", "pr-1", "")] == [True, False, False]


@given(ref=st.text(max_size=60), tag=st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}", fullmatch=True))
def test_what_an_untrusted_run_writes_is_never_a_trusted_name(ref: str, tag: str) -> None:
    """Another repository, and a legal tag that no trusted run looks for there."""
    scope = Scope(lane(ref))
    assert is_tag(scope.tag(tag))
    assert scope.tag(tag).endswith(f"-{scope.name}")
    assert scope.repository("shop/api") == f"shop/api{SUFFIX}"
    assert (TRUSTED.tag(tag), TRUSTED.repository("shop/api")) == (tag, "shop/api")
