"""Reading ignore files, matching paths and filtering listings; the differential test asks BuildKit itself."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_kit.dockerignore import IgnoreRules, ignore_file_candidates
from pipeline_kit.dockerignore.go_parser import parse_go_regexp
from pipeline_kit.dockerignore.go_regexp import GoRegexpError
from pipeline_kit.dockerignore.patterns import clean, path_text
from pipeline_kit.errors import DockerignoreError
from pipeline_kit.snapshot import EMPTY_DIRECTORY_RECORD, Listing

FILE_RECORD = b"100644 " + b"0" * 40


def listing(*paths: str) -> Listing:
    """Return a listing of files, and of empty directories where a path ends in a slash."""
    entries = (
        (path.rstrip("/").encode(), EMPTY_DIRECTORY_RECORD if path[-1] == "/" else FILE_RECORD) for path in paths
    )
    return Listing.of(entries)


def rules(*lines: str) -> IgnoreRules:
    """Return the rules in an ignore file of these lines."""
    return IgnoreRules.parse("\n".join(lines).encode(), ".dockerignore")


def shown(result: Listing) -> list[str]:
    """Return the paths of a listing, empty directories with a slash."""
    return [path.decode() + ("/" if record == EMPTY_DIRECTORY_RECORD else "") for path, record in result]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", []),
        (b"\n \n\t\n", []),
        (b"# comment\nfoo", ["foo"]),
        (b" # comment", ["# comment"]),
        (b"\xef\xbb\xbffoo", ["foo"]),
        (b"\xef\xbb\xbf# comment", []),
        (b"x\n\xef\xbb\xbffoo", ["x", "\ufefffoo"]),
        (b"foo \r\n bar\t", ["foo", "bar"]),
        (b"/foo\n//foo\n./foo\nfoo/\na/../foo", ["foo"] * 5),
        (b"/\n.\n..\n../foo", ["/", ".", "..", "../foo"]),
        (b"!foo\n! foo\n!/foo\n!./foo/", ["!foo"] * 4),
        (b"!!foo", ["!!foo"]),
        (b"!.\n!a/..", ["!.", "!."]),
        (b"a /\n", ["a"]),
        ("\u3000foo\u00a0".encode(), ["foo"]),
        (b"fo\xffo\xfe\xfe", ["fo\ufffdo\ufffd\ufffd"]),
    ],
)
def test_lines_are_read_as_moby_reads_them(data: bytes, expected: list[str]) -> None:
    """Byte order marks, comments, blanks, slashes and exclamation marks end in moby's cleaned patterns."""
    patterns = IgnoreRules.parse(data, ".dockerignore").patterns
    assert [("!" if pattern.exception else "") + pattern.text for pattern in patterns] == expected


@pytest.mark.parametrize(
    ("lines", "line", "problem"),
    [
        (["!"], 1, "illegal exclusion pattern"),
        (["foo", "", "!/"], 3, "illegal exclusion pattern"),
        (["# a", "["], 2, "syntax error in pattern"),
        (["x[]"], 1, "syntax error in pattern"),
        (["[a-]"], 1, "syntax error in pattern"),
        (["[^]"], 1, "syntax error in pattern"),
        (["[a\\"], 1, "syntax error in pattern"),
        (["foo\\"], 1, "syntax error in pattern"),
        (["[z-a]"], 1, "runs backwards"),
        (["\\y"], 1, "invalid escape"),
        (["\\p*L"], 1, "invalid escape"),
        (["[[:nope:]]"], 1, "unknown character class"),
        (["*{2}"], 1, "repetition of a repetition"),
        (["*|{2}"], 1, "nothing to repeat"),
        (["?{1001}"], 1, "invalid repeat count"),
        (["foo", "a\tb"], 2, "control character"),
        (["x" * 65_536], 1, "line too long"),
    ],
)
def test_what_stops_a_build_is_an_error_with_its_line(lines: list[str], line: int, problem: str) -> None:
    """The error names the ignore file, the line and the reason."""
    with pytest.raises(DockerignoreError, match=rf"^api/\.dockerignore:{line}: .*{problem}"):
        IgnoreRules.parse("\n".join(lines).encode(), "api/.dockerignore")


@pytest.mark.parametrize(
    ("pattern", "matching", "other"),
    [
        ("foo", ["foo", "foo/x"], ["FOO", "a/foo", "foo2"]),
        ("**/foo", ["foo", "a/foo", "a/b/foo/c"], ["afoo", "a/bfoo"]),
        ("**foo", ["foo", "afoo", "a/bfoo"], ["foo2"]),
        ("fo**", ["fo", "foo", "fox/x"], ["f", "a/fo"]),
        ("*.txt", ["a.txt", ".txt"], ["a/b.txt", "a.txt2", "atxt"]),
        ("*/foo", ["a/foo"], ["foo", "a/b/foo"]),
        ("a/**", ["a/b", "a/b/c"], ["a", "ab"]),
        ("a/**/c", ["a/c", "a/b/c", "a/b/b/c"], ["ac", "a/b/cc"]),
        ("c?t", ["cat", "cét", "c\nt"], ["ct", "caat", "c/t"]),
        ("c[^a]t", ["cbt", "c/t", "cét"], ["cat", "ct"]),
        ("c[!a]t", ["cat", "c!t"], ["cbt"]),
        ("b[\\d]", ["b1"], ["bd", "b\\"]),
        ("b\\d", ["b1"], ["bd"]),
        ("b\\W*", ["b-", "b.x"], ["ba"]),
        ("f\\157o", ["foo"], ["f157o"]),
        ("f\\x6fo", ["foo"], []),
        ("a\\Q*|\\Eb", ["a[^/]*|b"], ["a|b"]),
        ("\\Qfoo", ["foo$", "foo$bar"], ["foo"]),
        ("[[:alpha:]]1", ["a1"], ["11", ":1"]),
        ("[[:^alpha:]]1", ["-1"], ["a1"]),
        ("c[*]t", ["c[]t", "c[//]t", "c^]t"], ["c*t", "cat"]),
        ("a|b", ["a|b"], ["a", "b"]),
        ("x*|b", ["xy", "xyz", "a/b"], ["a", "by"]),
        ("fo{2}?", ["foox"], ["fo{2}x", "fox"]),
        ("fo{1,}*", ["fo", "fooo"], ["f"]),
        ("x{a}*", ["x{a}b"], ["xa"]),
        ("a+*", ["a+", "a+b"], ["aa"]),
        ("c^*", [], ["c^", "c"]),
        ("\ufefffoo?", [], ["\ufefffoox"]),
        ("..", [], ["a", ".x"]),
    ],
)
def test_pattern_language(pattern: str, matching: list[str], other: list[str]) -> None:
    """One pattern excludes these paths and no others."""
    ignore = rules("", pattern)
    assert [path for path in [*matching, *other] if ignore.excludes(path.encode())] == matching


def test_pattern_after_a_second_byte_order_mark_matches_without_it() -> None:
    """Go's scanner drops a byte order mark at a pattern's beginning where the pattern is a regular expression."""
    ignore = IgnoreRules.parse(b"\xef\xbb\xbf\xef\xbb\xbffoo?\n", ".dockerignore")
    assert ignore.excludes(b"foox")


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["d"], ["a/b", "a/empty/", "k"]),
        (["d", "!d/e/keep"], ["a/b", "a/empty/", "d/e/keep", "k"]),
        (["d/e/keep", "d/e/drop"], ["a/b", "a/empty/", "d/e/", "d/f/x", "k"]),
        (["d/*/*"], ["a/b", "a/empty/", "d/e/", "d/f/", "k"]),
        (["d/**"], ["a/b", "a/empty/", "d/", "k"]),
        (["**/*"], []),
        (["*", "!a/empty"], ["a/empty/"]),
        (["*", "!d/f"], ["d/f/x"]),
        (["d", "!d/e", "d/e/*"], ["a/b", "a/empty/", "d/e/", "k"]),
        (["d", "!d/*/**"], ["a/b", "a/empty/", "k"]),
        (["d", "!d/**/*"], ["a/b", "a/empty/", "d/e/drop", "d/e/keep", "d/f/x", "k"]),
        (["a/empty", "k"], ["a/b", "d/e/drop", "d/e/keep", "d/f/x"]),
    ],
)
def test_directories_follow_the_walk(lines: list[str], expected: list[str]) -> None:
    """Directories that are not excluded stay when emptied; kept entries bring their directories along."""
    tree = listing("a/b", "a/empty/", "d/e/drop", "d/e/keep", "d/f/x", "k")
    assert shown(rules(*lines).filter(tree)) == expected


def test_no_rules_change_nothing() -> None:
    """Without patterns the listing itself comes back and nothing is excluded."""
    tree = listing("a", "b/")
    empty = IgnoreRules.parse(b"# nothing\n", ".dockerignore")
    assert not empty
    assert empty == IgnoreRules.EMPTY
    assert rules("a")
    assert empty.filter(tree) is tree
    assert not empty.excludes(b"a")


def test_paths_that_are_not_utf8() -> None:
    """A stray byte counts as one character for wildcards, and literal patterns compare bytes."""
    tree = Listing.of((path, FILE_RECORD) for path in (b"l\xe4tin", b"\xff\xfe/leaf", b"x"))
    assert IgnoreRules.parse(b"l?tin\n??/leaf", "i").filter(tree).paths == [b"x", b"\xff\xfe"]
    assert IgnoreRules.parse(b"l\xe4tin\n\xff\xfe", "i").filter(tree).paths == tree.paths
    assert IgnoreRules.parse(b"l\xe4ti*\n", "i").filter(tree).paths == [b"x", b"\xff\xfe/leaf"]
    assert path_text(b"a\xe2\x82") == "a\ufffd\ufffd"


def test_candidates() -> None:
    """The ignore file beside the Dockerfile is asked for before the context's own."""
    assert ignore_file_candidates("docker/api.Dockerfile") == ("docker/api.Dockerfile.dockerignore", ".dockerignore")


@pytest.mark.parametrize(
    ("path", "expected"),
    [("", "."), ("/", "/"), ("//a//b/", "/a/b"), ("a/../..", ".."), ("/../a", "/a"), ("./a/./b", "a/b")],
)
def test_clean(path: str, expected: str) -> None:
    """Paths are shortened as Go's path.Clean does."""
    assert clean(path) == expected


COMPONENTS = st.sampled_from(["a", "b", "ab", "a.b", "c", "é"])
PIECES = st.sampled_from(["a", "b", "ab", "c", "*", "**", "?", "a*", "*b", "[ab]", "[^a]", "a|b", "[a-c]*", "é", "\\w"])
PATTERNS = st.builds(
    lambda mark, pieces: mark + "/".join(pieces),
    st.sampled_from(["", "", "!"]),
    st.lists(PIECES, min_size=1, max_size=4),
)
PATHS = st.lists(COMPONENTS, min_size=1, max_size=5).map("/".join)


def tree_of(paths: set[str]) -> Listing:
    """Return a listing in which no path lies below another one."""
    above = {path[:at] for path in paths for at, letter in enumerate(path) if letter == "/"}
    return listing(*(paths - above))


def walked(ignore: IgnoreRules, tree: Listing) -> list[bytes]:
    """Return the files that pass when every pattern is asked for every path: fsutil's walk without a shortcut."""
    texts = [pattern.text for pattern in ignore.patterns if pattern.exception]
    roots = [re.sub(r"/\*$", "", re.sub(r"/\*\*$", "", text)) for text in texts]
    shortcut = not any(set(root) & set("*[]?^\\") for root in roots)
    passed: list[bytes] = []
    for path in tree.paths:
        applies = [False] * len(ignore.patterns)
        excluded = False
        parts = path.split(b"/")
        for depth in range(1, len(parts) + 1):
            here = b"/".join(parts[:depth])
            excluded = False
            for at, pattern in enumerate(ignore.patterns):
                applies[at] = applies[at] or (pattern.exception == excluded and pattern.matches(here))
                excluded = not pattern.exception if applies[at] else excluded
            inside = here.decode() + "/"
            if excluded and shortcut and not any((root + "/").startswith(inside) for root in roots):
                break
        if not excluded:
            passed.append(path)
    return passed


@given(st.lists(PATTERNS, max_size=6), st.sets(PATHS, max_size=25))
def test_filter_equals_the_walk_without_shortcuts(lines: list[str], paths: set[str]) -> None:
    """Combined expressions, cached directories and skipped subtrees never change which files are kept."""
    ignore, tree = rules(*lines), tree_of(paths)
    result = ignore.filter(tree)
    kept = [path for path, record in result if record == FILE_RECORD]
    assert kept == walked(ignore, tree)
    assert kept == [path for path in tree.paths if not ignore.excludes(path)]
    assert result.paths == sorted(set(result.paths))
    assert ignore.filter(result) == result


@given(st.lists(PATTERNS, max_size=5), st.sets(PATHS, max_size=20))
def test_emptied_directories_are_kept_exactly_when_not_excluded(lines: list[str], paths: set[str]) -> None:
    """An empty directory in the result is one that is not excluded, and everything below it was."""
    ignore, tree = rules(*lines), tree_of(paths)
    result = ignore.filter(tree)
    directories = {path[:at] for path in tree.paths for at in range(len(path)) if path[at : at + 1] == b"/"}
    occupied = {path[:at] for path in result.paths for at in range(len(path)) if path[at : at + 1] == b"/"}
    emptied = {path for path, record in result if record == EMPTY_DIRECTORY_RECORD}
    assert emptied == {path for path in directories if not ignore.excludes(path)} - occupied


GO_PIECES = st.sampled_from(
    [
        "a",
        "/",
        "é",
        ".*",
        "(.*/)?",
        "[^/]*",
        "[^/]",
        "[ab]",
        "a{2}",
        "b{0,2}",
        "[ab]{1,}",
        "|",
        "^",
        "$",
        "\\b",
        "\\w",
        "\n",
    ]
)


@given(st.lists(GO_PIECES, max_size=8).map("".join), st.text("ab/é\n", max_size=12))
def test_linear_search_equals_python_engine(expression: str, text: str) -> None:
    """Both ways to run an expression agree on every text."""
    try:
        regexp = parse_go_regexp(expression)
    except GoRegexpError:
        return
    assert regexp.search(text) is (re.search(regexp.source, text) is not None)


@given(st.text("ab\\[]^-:*?{}|,12QEx/ !#.", min_size=1, max_size=12))
def test_any_pattern_is_rules_or_an_error(pattern: str) -> None:
    """No text makes the reader fail in another way, and whatever it accepts can be matched."""
    try:
        ignore = rules(pattern)
    except DockerignoreError:
        return
    assert ignore.excludes(b"a/b") in {True, False}


@pytest.mark.parametrize("pattern", ["*a*a*a*a*a*a*a*b", "**/*/**/*/**/*/**/*/x", "[a]{0,900}[a]{0,900}[a]{0,900}b"])
def test_hostile_patterns_do_not_stall(pattern: str) -> None:
    """A pattern made to backtrack without end is matched in time linear in the path's length."""
    start = time.monotonic()
    assert not rules(pattern).excludes(b"a" * 240)
    assert not rules(pattern).excludes(b"a/" * 200 + b"a")
    assert time.monotonic() - start < 20


def test_deep_trees() -> None:
    """Depth is bounded by the paths, not by Python's stack."""
    deep = b"/".join([b"d"] * 5000)
    assert IgnoreRules.parse(b"**/leaf\n", "i").filter(Listing.of([(deep + b"/leaf", FILE_RECORD)])).paths == [deep]


def test_large_contexts_filter_fast() -> None:
    """100,000 paths and a typical ignore file take a fraction of a second; the bound leaves room for a busy machine."""
    paths = [f"services/s{n % 50}/src/pkg{n % 700}/mod{n}.py" for n in range(60_000)]
    paths += [f"node_modules/m{n % 900}/lib/f{n}.js" for n in range(40_000)]
    tree = Listing.of((path.encode(), FILE_RECORD) for path in paths)
    ignore = rules(".git", "**/node_modules", "**/*.pyc", "*.md", "!README.md")
    start = time.perf_counter()
    assert len(ignore.filter(tree)) == 60_000
    assert time.perf_counter() - start < 2


def test_globs_of_many_levels_filter_fast() -> None:
    """The stars that many a Python project's ignore file has are not taken for hostile."""
    tree = Listing.of((f"services/team/package-{n % 100}/module_{n}.py".encode(), FILE_RECORD) for n in range(20_000))
    ignore = rules("*/*/*/*.py[cod]", "*/*/*/__pycache__/", "*/*/*/*.swp", "*/*/*/.ropeproject")
    start = time.perf_counter()
    assert len(ignore.filter(tree)) == 20_000
    assert time.perf_counter() - start < 2


@pytest.mark.parametrize(
    ("expression", "loops"),
    [
        ("^[^/]*/[^/]*/[^/]*/[^/]*\\.py[cod]$", 1),
        ("^[^/]*/x$", 1),
        ("^(.*/)?[^/]*/x$", 1),
        ("^[^/]*a[^/]*/x$", 1),
        ("^[^/]*a[^/]*b$", 2),
        ("[^/]*/[^/]*/x$", 2),
        ("^a|[^/]*/[^/]*/x$", 2),
        ("^[ab]*/[ab]*/x$", 2),
        ("^a$", 0),
    ],
)
def test_only_stars_with_a_choice_multiply(expression: str, loops: int) -> None:
    """A star before a slash has one place to stop; without an anchor, or over another class, it is counted."""
    assert parse_go_regexp(expression).loops == loops
