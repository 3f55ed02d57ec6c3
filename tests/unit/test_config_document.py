"""Reading YAML: what is accepted, and what a hostile file can cost."""

from __future__ import annotations

import subprocess
import sys
import time
from itertools import pairwise

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline_kit.config import Config, PathKind, load
from pipeline_kit.config.document import MappingNode, Node, ScalarNode, SequenceNode, Unreadable, read_document
from pipeline_kit.config.findings import Findings
from pipeline_kit.errors import ConfigError

TOP = "version: 1\nproject: shop\nregistry: ghcr.io/acme\n"
IMAGE = TOP + "images: {api: {context: ., args: {A: "


@pytest.fixture(params=["as installed", "pure"])
def parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """PyYAML with and without libyaml."""
    if request.param == "pure":
        monkeypatch.delattr(yaml, "CSafeLoader", raising=False)
    return str(request.param)


def _exists(path: str) -> PathKind:
    return PathKind.FILE if path.endswith("file") else PathKind.DIRECTORY


def _load(data: bytes) -> Config:
    return load(data, "f", environ={"A": "x" * 100}, exists=_exists)


def _plain(node: Node) -> object:
    """Return the tree as lists, dictionaries and strings."""
    if isinstance(node, MappingNode):
        return {key.value: _plain(value) for key, value in node.entries}
    return [_plain(item) for item in node.items] if isinstance(node, SequenceNode) else node.value


def _read(text: str) -> object:
    findings = Findings("f")
    tree = _plain(read_document(text.encode(), findings))
    assert findings.problems == []
    return tree


ACCEPTED = [
    ("\ufeffa: 1\n", {"a": "1"}),
    ("%YAML 1.2\n---\na: 1\n...\n", {"a": "1"}),
    ("a: 1\r\nb: 2\r\n", {"a": "1", "b": "2"}),
    ("{a: 1, b: [x, 'y', \"z\"]}", {"a": "1", "b": ["x", "y", "z"]}),
    ("a: |\n  one\n  two\n", {"a": "one\ntwo\n"}),
    ("a: !!str 1\nb: !!map {c: !!seq [d]}\n", {"a": "1", "b": {"c": ["d"]}}),
    ("a: &x {k: 1}\nb: *x\n", {"a": {"k": "1"}, "b": {"k": "1"}}),
    ("a: &x {k: 1, l: 2}\nb: {<<: *x, l: 3}\n", {"a": {"k": "1", "l": "2"}, "b": {"l": "3", "k": "1"}}),
    (
        "a: &x {k: 1}\nb: &y {k: 2, m: 3}\nc: {<<: [*x, *y]}\n",
        {"a": {"k": "1"}, "b": {"k": "2", "m": "3"}, "c": {"k": "1", "m": "3"}},
    ),
    ("a: &x 1\nb: &x 2\nc: *x\n", {"a": "1", "b": "2", "c": "2"}),
    ('"<<": 1\n', {"<<": "1"}),
    ("é: [€]\n", {"é": ["€"]}),
]


@pytest.mark.parametrize(("text", "tree"), ACCEPTED)
def test_ordinary_yaml_is_read(text: str, tree: object, parser: str) -> None:
    """Anchors, merge keys, both styles, BOM and line ends give the tree that YAML means."""
    assert _read(text) == tree


def test_positions_are_one_based_code_points(parser: str) -> None:
    """Columns count characters as editors do, not bytes."""
    root = read_document("é: [€, 'x']\n".encode(), Findings("f"))
    ((key, value),) = root.entries
    assert isinstance(value, SequenceNode)
    first, second = value.items
    assert [(node.line, node.column) for node in (key, value, first, second)] == [(1, 1), (1, 4), (1, 5), (1, 8)]
    assert isinstance(second, ScalarNode)
    assert (second.plain, second.inset) == (False, 1)


def test_offsets_are_unknown_where_escapes_move_them() -> None:
    """A column inside a text is claimed only where it can be known."""
    root = read_document(b'a: "\\x41b"\nb: |\n  x\n', Findings("f"))
    assert [value.inset for _, value in root.entries if isinstance(value, ScalarNode)] == [-1, -1]


def test_tree_equals_what_a_yaml_composer_makes() -> None:
    """On ordinary input, the tree is the one PyYAML itself composes."""
    text = "a: [1, {b: c}]\nd:\n  - e\n  - f: g\n    h: |\n      i\n"
    assert _read(text) == yaml.load(text, Loader=yaml.BaseLoader)  # noqa: S506 - the base loader makes strings only


LAUGHS = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{new}: &{new} [{','.join(['*' + old] * 9)}]\n" for old, new in pairwise("abcdefghi")
)

HOSTILE = {
    "billion laughs": LAUGHS,
    "cycle": "&a [*a]",
    "cycle through a mapping": TOP + "images: &a {b: *a}",
    "cycle through a merge": TOP + "x-a: &a {<<: *a}",
    "100k brackets": "[" * 100_000,
    "100k braces": "{a: " * 100_000,
    "100k dashes": "- " * 100_000,
    "100k question marks": "? " * 100_000,
    "over 1 MiB": TOP + "#" * (1 << 20),
    "wide": TOP + "x-a: [" + "a," * 500_000 + "]",
    "just below the bound of nodes": TOP + "images: {a: {context: ., ssh: [" + ",".join(["a b"] * 49_000) + "]}}",
    "many keys": TOP + "".join(f"k{number}: 1\n" for number in range(60_000)),
    "many unknown keys": TOP + "".join(f"versoin{number}: 1\n" for number in range(20_000)),
    "one key again and again": TOP + "images:\n" + "  a: 1\n" * 20_000,
    "many broken images": TOP + "images:\n" + "".join(f"  a{number}: 1\n" for number in range(20_000)),
    "many inputs": TOP + f"images: {{a: {{context: ., inputs: [{','.join(f'f{n}file' for n in range(40_000))}]}}}}",
    "long key": TOP + "? " + "k" * 1_000_000 + "\n: 1",
    "long text": IMAGE + "k" * 1_000_000 + "}}}",
    "%TAG": "%TAG !a! x\n" * 80_000,
    "%TAG in a second document": TOP + "...\n" + "%TAG !a! x\n" * 80_000,
    "long version": "%YAML 1." + "9" * 5_000 + "\n---\na: 1",
    "many anchors": TOP + "x-a:\n" + "".join(f"  - &a{number} 1\n" for number in range(20_000)),
    "long anchor": TOP + "x-a: &" + "a" * 1_000_000 + " 1",
    "merges": TOP + "x-a: &a {" + ",".join(f"k{n}: 1" for n in range(900)) + "}\nx-b: [" + "{<<: *a}," * 99 + "]",
    "braces": IMAGE + "'" + "{" * 30_000 + "'}}}",
    "bad placeholders": IMAGE + "'" + "{a}" * 10_000 + "'}}}",
    "placeholders": TOP + "images: {a: {context: ., args: {" + "".join(
        f'A{number}: "{"{sha}" * 5_000}",' for number in range(40)
    ) + "}}}",
    "long variables": IMAGE + '"' + "{env.A}" * 4_600 + '"}}}',
    "many long variables": TOP + "images: {a: {context: ., args: {" + "".join(
        f'A{number}: "{"{env.A}" * 1_000}",' for number in range(140)
    ) + "}}}",
    "digits": IMAGE + "1_" * 16_000 + "a}}}",
    "climbing path": TOP + 'images: {a: {context: "' + "../a/" * 6_000 + '"}}',
    "long host": 'version: 1\nimages: {}\nregistry: "' + "a." * 16_000 + '!"',
    "long repository": TOP + 'images: {a: {context: ., repository: "' + "a-" * 16_000 + '!"}}',
    "long cycle": TOP + "images:\n" + "".join(
        f"  i{number}: {{context: ., contexts: {{x: 'image:i{(number + 1) % 4_000}'}}}}\n" for number in range(4_000)
    ),
    "one repository for all": TOP + "images:\n" + "".join(
        f"  i{number}: {{context: ., repository: a/b}}\n" for number in range(4_000)
    ),
    "unfinished quotes": '"' + "a\n" * 400_000,
    "tabs": "\t" * 900_000,
    "line ends": "\r\n" * 500_000,
}  # fmt: skip
SECONDS = 1.0 if sys.gettrace() is None else 10.0  # a coverage tracer makes every line several times dearer
HARMLESS = {"braces", "many inputs", "placeholders", "digits", "climbing path"}


def test_the_billion_laughs_are_the_known_ones() -> None:
    """The case measured in the wild: 341 bytes there, and that order of size here."""
    assert len(LAUGHS) < 400


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_file_is_refused_within_a_second(name: str) -> None:
    """Whatever a pull request writes into the file, planning answers within a second of processor time."""
    data = HOSTILE[name].encode()
    started = time.process_time()
    if name in HARMLESS:
        assert _load(data).images
    else:
        with pytest.raises(ConfigError):
            _load(data)
    assert time.process_time() - started < SECONDS


def test_hostile_files_stay_below_100_megabytes() -> None:
    """The peak of a process that reads every one of them, interpreter included."""
    code = """
import sys
from pipeline_kit.config import load, PathKind
from pipeline_kit.errors import ConfigError
for data in sys.stdin.buffer.read().split(b"\\0"):
    try:
        load(data, "f", environ={"A": "x" * 100},
             exists=lambda path: PathKind.FILE if path.endswith("file") else PathKind.DIRECTORY)
    except ConfigError:
        pass
# Not ru_maxrss: a child starts with its parent's.
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""
    stdin = b"\0".join(text.encode() for text in HOSTILE.values())
    done = subprocess.run([sys.executable, "-c", code], input=stdin, capture_output=True, check=True, timeout=120)
    # The list of all files together is the test's own weight.
    assert int(done.stdout) * 1024 - 2 * len(stdin) < 100_000_000


@pytest.mark.parametrize("name", ["billion laughs", "cycle", "100k brackets", "100k braces", "100k dashes", "%TAG"])
def test_hostile_file_is_refused_without_libyaml(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bounds are ours, so the pure parser meets them as well, without a RecursionError."""
    monkeypatch.delattr(yaml, "CSafeLoader", raising=False)
    with pytest.raises(ConfigError) as caught:
        _load(HOSTILE[name].encode())
    assert len(caught.value.problems) == 1


PIECES = st.sampled_from(
    [
        *("version: 1\n", "project: shop\n", "registry: ghcr.io\n", "images:\n", "  api:\n", "    context: .\n"),
        *(
            "defaults:",
            "args: {",
            "A: ",
            "'",
            '"',
            "{env.A}",
            "{sha}",
            "{",
            "}",
            "[",
            "]",
            ": ",
            ", ",
            "- ",
            "? ",
            "\n",
        ),
        *("  ", "\t", "&a ", "*a ", "<<: ", "!!str ", "!x ", "|", ">", "#", "%YAML 1.1\n", "---\n", "...\n", "~", "on"),
        *("contexts: {b: 'image:api'}", "secrets: {x: {env: A}}", "platforms: [arm64]", "deploy: {ecs: {p: {", "\x00"),
    ]
)


def _answers(data: bytes) -> None:
    try:
        _load(data)
    except ConfigError as error:
        problems = error.problems
    else:
        return
    assert problems
    assert all(problem.line >= 1 and problem.column >= 1 for problem in problems)


@settings(max_examples=300, deadline=None)
@given(st.lists(PIECES, max_size=40).map("".join))
def test_any_text_gives_a_configuration_or_problems(text: str) -> None:
    """Nothing but ConfigError leaves the loader, with at least one problem at a real position."""
    _answers(text.encode())


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=60))
def test_any_bytes_give_problems(data: bytes) -> None:
    """Bytes that are no text at all end in the same report."""
    _answers(data)


@settings(max_examples=200, deadline=None)
@given(st.lists(PIECES, max_size=40).map("".join))
def test_the_pure_parser_answers_any_text(text: str) -> None:
    """Without libyaml, too, nothing but problems comes out."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delattr(yaml, "CSafeLoader", raising=False)
        _answers(text.encode())


def test_unreadable_document_says_why() -> None:
    """The tree's reader alone raises its own signal, with the reason in the findings."""
    findings = Findings("f")
    with pytest.raises(Unreadable):
        read_document(b"[", findings)
    assert [problem.line for problem in findings.problems] == [2]


def test_importing_the_package_does_not_import_yaml() -> None:
    """``pipeline-kit --version`` pays for no parser."""
    code = "import sys, pipeline_kit.config; print('yaml' in sys.modules, 'difflib' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True, timeout=60)
    assert done.stdout.split() == ["False", "False"]
