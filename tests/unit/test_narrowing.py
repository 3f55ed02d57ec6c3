from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline_kit.dockerfile import ContextRead
from pipeline_kit.narrowing import narrow
from pipeline_kit.snapshot import EMPTY_DIRECTORY_RECORD, FILE, LINK, Listing, blob_id

RECORD = FILE + b" x"

TREE = Listing.of(
    [
        *((path.encode(), RECORD) for path in ("a", "ab", "b.txt", "package.json", "package-lock.json", "package.txt")),
        *((path.encode(), RECORD) for path in ("src", "srcs", "src.txt", "src-old/x") if path != "src"),
        *((path.encode(), RECORD) for path in ("src/a/x", "src/b/x", "src/b/y", "src/x", "src/a/deep/x", "src/été")),
        *((path.encode(), RECORD) for path in ("[x]", "st*r", "q?x", "back\\slash", "with blank", "{y}", "-dash")),
        (b"l\xe4tin", RECORD),
        (b"void", EMPTY_DIRECTORY_RECORD),
        (b"src/hollow/inner", EMPTY_DIRECTORY_RECORD),
    ]
)
LINKED = Listing.of(
    [
        (b"a", RECORD),
        (b"to-file", LINK + b" x"),
        (b"to-directory", LINK + b" x"),
        (b"d/e", RECORD),
        (b"d/link", LINK + b" x"),
        (b"other/f", RECORD),
    ]
)


def read(pattern: str, *, parents: bool = False, context: str | None = None, line: int = 3) -> ContextRead:
    """Return a read of ``pattern``, a glob where it has an unescaped wildcard."""
    is_glob = re.search(r"[*?\[]", re.sub(r"\\.", "", pattern)) is not None
    return ContextRead(context, pattern, line, is_glob=is_glob, parents=parents)


def kept(listing: Listing, *patterns: str, parents: bool = False) -> list[str] | str:
    """Return the paths that count for ``patterns``, or why all do."""
    found = narrow(listing, [read(pattern, parents=parents) for pattern in patterns])
    if found.because:
        assert found.listing is listing
        return found.because
    return [path.decode("utf-8", "replace") for path in found.listing.paths]


@pytest.mark.parametrize(
    ("patterns", "expected"),
    [
        (["a"], ["a"]),
        (["b.txt"], ["b.txt"]),
        (["src"], ["src/a/deep/x", "src/a/x", "src/b/x", "src/b/y", "src/hollow/inner", "src/x", "src/été"]),
        (["src/a"], ["src/a/deep/x", "src/a/x"]),
        (["/src/a/"], ["src/a/deep/x", "src/a/x"]),
        (["src/a/x"], ["src/a/x"]),
        (["src/a", "a", "src/a/x", "a"], ["a", "src/a/deep/x", "src/a/x"]),
        (["void"], ["void"]),
        (["src/hollow"], ["src/hollow/inner"]),
        (["src/hollow/inner"], ["src/hollow/inner"]),
        (["missing"], []),
        (["a/below-a-file"], []),
        (["with blank", "{y}", "-dash"], ["-dash", "with blank", "{y}"]),
        (["back\\slash"], ["back\\slash"]),
        (["src/été"], ["src/été"]),
        ([], []),
    ],
)
def test_plain_sources(patterns: list[str], expected: list[str]) -> None:
    """A plain source takes the file of that name, or all of the directory, and no neighbour whose name begins so."""
    assert kept(TREE, *patterns) == expected


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("package*.json", ["package-lock.json", "package.json"]),
        ("package*", ["package-lock.json", "package.json", "package.txt"]),
        ("*.txt", ["b.txt", "package.txt", "src.txt"]),
        ("a*", ["a", "ab"]),
        ("a?", ["ab"]),
        ("?", ["a"]),
        ("src/*/x", ["src/a/x", "src/b/x"]),
        ("src/*", ["src/a/deep/x", "src/a/x", "src/b/x", "src/b/y", "src/hollow/inner", "src/x", "src/été"]),
        ("s*/x", ["src-old/x", "src/x"]),
        ("*/a", ["src/a/deep/x", "src/a/x"]),
        ("src/?t?", ["src/été"]),
        ("l?tin", ["l\ufffdtin"]),
        ("[[]x]", ["[x]"]),
        ("st[*]r", ["st*r"]),
        ("st\\*?", ["st*r"]),
        ("q\\?*", ["q?x"]),
        ("\\a*", ["a", "ab"]),
        ("void*", ["void"]),
        ("no*", []),
        ("*", TREE.paths),
    ],
)
def test_globs(pattern: str, expected: list[str] | list[bytes]) -> None:
    """A wildcard stays within one component; what it matches counts with everything below."""
    wanted = [path.decode("utf-8", "replace") if isinstance(path, bytes) else path for path in expected]
    assert kept(TREE, pattern) == wanted


@pytest.mark.parametrize("pattern", ["[a-b]", "[ab]", "[^z]", "[\\a]", "[a\\-z]", "[\\]a]"])
def test_classes_match_any_character(pattern: str) -> None:
    """A class may be taken for wider than it is, never for narrower."""
    assert "a" in kept(TREE, pattern)


@pytest.mark.parametrize("pattern", ["a[", "x*\\", "[^", "src/[x", "[]a]", "[^]a]", "[a/b]"])
def test_malformed_patterns_count_everything(pattern: str) -> None:
    """What Go would call a bad pattern is never narrowed."""
    assert kept(TREE, pattern) == f"line 3: the pattern {pattern} is not understood"


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("src/**/x", ["src/a/deep/x", "src/a/x", "src/b/x", "src/b/y", "src/hollow/inner", "src/x", "src/été"]),
        ("src/a/**", ["src/a/deep/x", "src/a/x"]),
        ("./src/a/*", ["src/a/deep/x", "src/a/x"]),
        ("**/x", "line 3: the pattern **/x can match anywhere"),
        ("*/x", "line 3: the pattern */x can match anywhere"),
        ("src/\\*x/?", ["src/a/deep/x", "src/a/x", "src/b/x", "src/b/y", "src/hollow/inner", "src/x", "src/été"]),
    ],
)
def test_parents(pattern: str, expected: list[str] | str) -> None:
    """With --parents everything below what stands before the first wildcard counts, and all where nothing does."""
    assert kept(TREE, pattern, parents=True) == expected


def test_double_star_without_parents() -> None:
    """Two stars are treated alike without --parents, where BuildKit takes them for one."""
    assert kept(TREE, "**") == "line 3: the pattern ** can match anywhere"
    assert kept(TREE, "src/b/**") == ["src/b/x", "src/b/y"]


@pytest.mark.parametrize(
    ("pattern", "parents"),
    [
        ("to-file", False),
        ("to-directory", False),
        ("to-directory/e", False),
        ("to-directory/deep/er", False),
        ("d/link", False),
        ("d/link/x", False),
        ("to-*", False),
        ("*", False),
        ("*/e", False),
        ("d/*", False),
        ("d/l?nk", False),
        ("?o-directory/*", False),
        ("to-directory/**", False),
        ("to-directory/*", True),
        ("d/link/*.py", True),
        ("d/**", False),
        ("d/*", True),
    ],
)
def test_links_on_the_way_count_everything(pattern: str, parents: bool) -> None:
    """A link that is, or leads to, a source is followed to anywhere, so all counts, and the reason says so."""
    assert kept(LINKED, pattern, parents=parents) == f"line 3: {pattern} is reached through a link"


@pytest.mark.parametrize(
    ("patterns", "expected"),
    [
        (["d"], ["d/e", "d/link"]),
        (["other"], ["other/f"]),
        (["other/*"], ["other/f"]),
        (["a*"], ["a"]),
        (["to"], []),
        (["d/link-not"], []),
    ],
)
def test_links_elsewhere_are_copied_as_links(patterns: list[str], expected: list[str]) -> None:
    """A link inside a directory that is copied is only its text, and a link beside the way does not matter."""
    assert kept(LINKED, *patterns) == expected


TEXTS = {
    "to-file": "a",
    "to-directory": "other",
    "d/link": "../other/f",
    "d/up": "/other",
    "d/out": "../../../../other",
    "chain": "to-directory/f",
    "one": "two",
    "two": "one",
    "grows": "grows/x",
    "root": "/",
    "odd": "other/../a",
    "nowhere": "missing/x",
}
FOLLOWED = Listing.of(
    [
        *((path.encode(), RECORD) for path in ("a", "b", "d/e", "other/f", "other/g/h", "unread")),
        *((path.encode(), LINK + b" " + blob_id(text.encode()).encode()) for path, text in TEXTS.items()),
    ]
)


def followed(*patterns: str) -> list[str] | str:
    """Return the paths that count for ``patterns`` where the texts of links are known, or why all do."""
    found = narrow(FOLLOWED, [read(pattern) for pattern in patterns], lambda path: TEXTS[path.decode()].encode())
    return found.because or [path.decode() for path in found.listing.paths]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("to-file", ["a", "to-file"]),
        ("to-directory", ["other/f", "other/g/h", "to-directory"]),
        ("to-directory/f", ["other/f", "to-directory"]),
        ("to-directory/g", ["other/g/h", "to-directory"]),
        ("to-directory/*", ["other/f", "other/g/h", "to-directory"]),
        ("to-directory/g/?", ["other/g/h", "to-directory"]),
        ("to-f*", ["a", "to-file"]),
        ("to-*", ["a", "other/f", "other/g/h", "to-directory", "to-file"]),
        ("d/l*k", ["d/link", "other/f"]),
        ("d/up/g", ["d/up", "other/g/h"]),
        ("d/out/f", ["d/out", "other/f"]),
        ("chain", ["chain", "other/f", "to-directory"]),
        ("one", ["one", "two"]),
        ("nowhere", ["nowhere"]),
        ("root/b", ["b", "root"]),
        ("d", ["d/e", "d/link", "d/out", "d/up"]),
    ],
)
def test_links_are_followed(pattern: str, expected: list[str]) -> None:
    """A link on the way counts, and so does what it leads to, but nothing else."""
    assert followed(pattern) == expected


@pytest.mark.parametrize("pattern", ["root", "odd", "odd/x", "grows", "*", "*/f"])
def test_links_that_are_not_understood_count_everything(pattern: str) -> None:
    """To the root, through ``..`` behind a name (BuildKit's parts differ there), without end."""
    assert followed(pattern) == f"line 3: {pattern} is reached through a link"


def test_a_link_that_changed_meanwhile_counts_everything() -> None:
    """Its text is not the one that the listing stands for."""
    found = narrow(FOLLOWED, [read("to-file")], lambda _path: b"b")
    assert found.because == "line 3: to-file is reached through a link"


names_in_trees = st.sampled_from(["a", "b", "c"])
places = st.lists(names_in_trees, min_size=1, max_size=3).map("/".join)
texts = st.lists(st.sampled_from(["a", "b", "c", "..", "."]), min_size=1, max_size=3).map("/".join)
targets = st.builds(lambda start, text: start + text, st.sampled_from(["", "/"]), texts)


@given(
    links=st.dictionaries(places, targets, max_size=4),
    files=st.sets(places, max_size=5),
    source=st.lists(st.sampled_from(["a", "b", "c", "*", "?"]), min_size=1, max_size=3).map("/".join),
)
def test_what_a_kernel_would_open_counts(links: dict[str, str], files: set[str], source: str) -> None:
    """On a real tree rooted here: each link on the way, and all below what a source leads to, is kept."""
    entries = _consistent(links, files)
    listing = Listing.of(
        (path.encode(), RECORD if text is None else LINK + b" " + blob_id(text.encode()).encode())
        for path, text in entries.items()
    )
    found = narrow(listing, [read(source)], lambda path: (entries[path.decode()] or "").encode())
    steps = [re.compile(part.replace("*", ".*").replace("?", ".")) for part in source.split("/")]
    needed = _opened(entries, steps)
    assert found.because or needed <= {path.decode() for path in found.listing.paths}


def _consistent(links: dict[str, str], files: set[str]) -> dict[str, str | None]:
    """Return files (``None``) and links (their texts) none of which lies below another."""
    entries: dict[str, str | None] = {}
    for path, text in sorted({**dict.fromkeys(files), **links}.items()):
        above = {path[:at] for at, char in enumerate(path) if char == "/"}
        if not above & entries.keys():
            entries[path] = text
    return entries


def _opened(entries: dict[str, str | None], steps: list[re.Pattern[str]]) -> set[str]:
    """Return what is met by going down from the root, step by step, links followed as a kernel with this root would."""
    met: set[str] = set()
    waiting: list[tuple[tuple[str, ...], tuple[re.Pattern[str] | str, ...], int]] = [((), tuple(steps), 0)]
    while waiting:
        here, rest, links = waiting.pop()
        if links > 20:
            continue
        if not rest:
            start = "/".join(here)
            met |= {path for path in entries if path == start or path.startswith(f"{start}/") or not start}
            continue
        step = rest[0]
        if step == "..":
            waiting.append((here[:-1], rest[1:], links))
            continue
        start = "".join(f"{part}/" for part in here)
        children = {path[len(start) :].split("/")[0] for path in entries if path.startswith(start)}
        for child in children:
            if child != step and (isinstance(step, str) or not step.fullmatch(child)):
                continue
            text = entries.get(start + child)
            if text is None:
                waiting.append(((*here, child), rest[1:], links))
                continue
            met.add(start + child)
            parts = tuple(part for part in text.split("/") if part not in ("", "."))
            waiting.append((() if text.startswith("/") else here, (*parts, *rest[1:]), links + 1))
    return met


def test_whole_context_is_whole() -> None:
    """COPY . counts everything, whatever else is read, and names the first such line."""
    reads = [read("a", line=2), read(".", line=7), read("src", line=9)]
    found = narrow(TREE, reads)
    assert found.listing is TREE
    assert found.because == "line 7: the whole context is read"


def test_no_reads_keep_nothing() -> None:
    """A context that no instruction reads adds nothing."""
    assert narrow(TREE, []).listing == Listing()


def test_records_come_along() -> None:
    """What is kept keeps its record, also where several sources overlap."""
    found = narrow(LINKED, [read("d"), read("d/e"), read("a")]).listing
    assert list(found) == [(b"a", RECORD), (b"d/e", RECORD), (b"d/link", LINK + b" x")]


def go_match(pattern: str, name: str) -> bool:
    """Return what Go's ``filepath.Match`` says, written down independently: by recursion over runes, from its docs."""
    if not pattern:
        return not name
    first = pattern[0]
    if first == "*":
        rest = pattern[1:]
        return any(go_match(rest, name[at:]) for at in range(len(name) + 1) if "/" not in name[:at])
    if not name:
        return False
    if first == "?":
        return name[0] != "/" and go_match(pattern[1:], name[1:])
    if first == "[":
        end, accepted = go_class(pattern, name[0])
        return accepted and name[0] != "/" and go_match(pattern[end:], name[1:])
    literal, rest = (pattern[1], pattern[2:]) if first == "\\" else (first, pattern[1:])
    return literal == name[0] and go_match(rest, name[1:])


def go_class(pattern: str, char: str) -> tuple[int, bool]:
    """Return where the class at the start of ``pattern`` ends, and whether it holds ``char``."""
    at = 2 if pattern[1:2] == "^" else 1
    found = False
    while pattern[at] != "]":
        low, at = class_character(pattern, at)
        high = low
        if pattern[at] == "-":
            high, at = class_character(pattern, at + 1)
        found = found or low <= char <= high
    return at + 1, found is (pattern[1] != "^")


def class_character(pattern: str, at: int) -> tuple[str, int]:
    """Return one character of a class and the position behind it."""
    return (pattern[at + 1], at + 2) if pattern[at] == "\\" else (pattern[at], at + 1)


letters = st.sampled_from("abcé-]^*?[\\x")
names = st.text(letters, min_size=1, max_size=4)
paths = st.lists(names, min_size=1, max_size=3).map("/".join)
class_characters = st.sampled_from(["a", "b", "c", "é", "\\]", "\\-", "\\^", "\\\\", "[", "*", "?", "x"])
ranges = st.tuples(class_characters, class_characters).map("-".join)
classes = st.tuples(st.sampled_from(["[", "[^"]), st.lists(class_characters | ranges, min_size=1, max_size=3)).map(
    lambda parts: f"{parts[0]}{''.join(parts[1])}]"
)
escapes = letters.map(lambda char: f"\\{char}")
plain = st.sampled_from("abcé-]^x")
components = st.lists(st.sampled_from(["*", "?"]) | classes | escapes | plain, min_size=1, max_size=4).map("".join)
globs = st.lists(components, min_size=1, max_size=3).map("/".join).filter(lambda text: read(text).is_glob)


@given(listed=st.sets(paths, max_size=8), pattern=globs)
@example(listed={"]"}, pattern="[\\]]")
@example(listed={"a-"}, pattern="a[a\\-z]")
@example(listed={"ab/c/x"}, pattern="[^]*/c")
def test_everything_that_go_matches_is_kept(listed: set[str], pattern: str) -> None:
    """Whatever filepath.Match accepts counts, with all below it; a pattern may be taken for wider only."""
    try:
        matched = {
            path
            for path in listed
            if any(go_match(pattern, "/".join(path.split("/")[: count + 1])) for count in range(path.count("/") + 1))
        }
    except IndexError:  # Go calls the pattern bad, and the build fails
        return
    found = kept(Listing.of((path.encode(), RECORD) for path in listed), pattern)
    assert isinstance(found, str) or matched <= set(found)


@given(listed=st.sets(paths, max_size=8), sources=st.lists(paths | globs, max_size=3))
def test_narrowing_is_a_subset_and_steady(listed: set[str], sources: list[str]) -> None:
    """What counts is part of the context, in order, and stays the same without all that does not count."""
    whole = Listing.of((path.encode(), RECORD) for path in listed)
    reads = [read(source) for source in sources]
    once = narrow(whole, reads)
    assert [pair for pair in whole if pair in set(once.listing)] == list(once.listing)
    if not once.because:
        assert narrow(once.listing, reads).listing == once.listing
