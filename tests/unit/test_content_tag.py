from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_kit.content_tag import EXTRA_INPUTS, Change, KeyInputs, changes, file_name, key, tag
from pipeline_kit.errors import InputError
from pipeline_kit.snapshot import EMPTY_DIRECTORY_RECORD, EXECUTABLE, FILE, LINK, Listing, blob_id
from pipeline_kit.values import replace

A, B = blob_id(b"a"), blob_id(b"b")
FULL = KeyInputs(
    dockerfile=A,
    platforms=("linux/amd64", "linux/arm64"),
    target="runtime",
    args={"A": "1", "B": "2"},
    secrets=("npm", "pip"),
    ssh=("default",),
    bases={"alpine": f"sha256:{'a' * 64}", "busybox": ""},
    images={"base": "b" * 64},
    contexts={"conf": "docker-image://conf"},
    files={
        "": Listing.of([(b"app.py", FILE + b" " + A.encode()), (b"empty", EMPTY_DIRECTORY_RECORD)]),
        "schemas": Listing.of([(b"s.json", FILE + b" " + B.encode())]),
        EXTRA_INPUTS: Listing.of([(b"VERSION", FILE + b" " + A.encode())]),
    },
    options={"max_age": "7 period 1"},
)


def listing(*entries: tuple[bytes, bytes, str]) -> Listing:
    """Return a listing of ``(path, mode, blob id)``."""
    return Listing.of([(path, mode + b" " + blob.encode()) for path, mode, blob in entries])


def with_main(*entries: tuple[bytes, bytes, str]) -> dict[str, Listing]:
    """Return the sample's files with another main context."""
    return {**FULL.files, "": listing(*entries)}


ONE_CHANGE: list[tuple[str, dict[str, Any], set[tuple[str, str, str]]]] = [
    ("dockerfile", {"dockerfile": B}, {("dockerfile", "", "changed")}),
    ("target", {"target": "other"}, {("option", "target", "changed")}),
    ("no target", {"target": ""}, {("option", "target", "changed")}),
    ("platform less", {"platforms": ("linux/amd64",)}, {("option", "platforms", "changed")}),
    ("argument value", {"args": {"A": "1", "B": "3"}}, {("arg", "B", "changed")}),
    ("argument name", {"args": {"A": "1", "C": "2"}}, {("arg", "B", "removed"), ("arg", "C", "added")}),
    ("argument empty", {"args": {"A": "1", "B": ""}}, {("arg", "B", "changed")}),
    ("secret", {"secrets": ("npm",)}, {("secret", "pip", "removed")}),
    ("ssh", {"ssh": ("default", "other")}, {("ssh", "other", "added")}),
    (
        "base digest",
        {"bases": {**FULL.bases, "alpine": f"sha256:{'c' * 64}"}},
        {("base", "alpine", "changed")},
    ),
    ("base gone", {"bases": {"busybox": ""}}, {("base", "alpine", "removed")}),
    ("image key", {"images": {"base": "c" * 64}}, {("image", "base", "changed")}),
    ("image name", {"images": {"other": "b" * 64}}, {("image", "base", "removed"), ("image", "other", "added")}),
    ("named context text", {"contexts": {"conf": "docker-image://x"}}, {("context", "conf", "changed")}),
    ("option", {"options": {"max_age": "7 period 2"}}, {("option", "max_age", "changed")}),
    (
        "file content",
        {"files": with_main((b"app.py", FILE, B), (b"empty", b"040000", "-"))},
        {("file", "app.py", "changed")},
    ),
    (
        "executable bit",
        {"files": with_main((b"app.py", EXECUTABLE, A), (b"empty", b"040000", "-"))},
        {("file", "app.py", "changed")},
    ),
    (
        "link instead of file",
        {"files": with_main((b"app.py", LINK, A), (b"empty", b"040000", "-"))},
        {("file", "app.py", "changed")},
    ),
    (
        "renamed",
        {"files": with_main((b"app2.py", FILE, A), (b"empty", b"040000", "-"))},
        {("file", "app.py", "removed"), ("file", "app2.py", "added")},
    ),
    ("directory gone", {"files": with_main((b"app.py", FILE, A))}, {("file", "empty", "removed")}),
    (
        "named context's file",
        {"files": {**FULL.files, "schemas": listing((b"s.json", FILE, A))}},
        {("file", "schemas:s.json", "changed")},
    ),
    (
        "named context renamed",
        {
            "files": {
                "": FULL.files[""],
                "other": FULL.files["schemas"],
                EXTRA_INPUTS: FULL.files[EXTRA_INPUTS],
            }
        },
        {
            ("context", "schemas", "removed"),
            ("context", "other", "added"),
            ("file", "schemas:s.json", "removed"),
            ("file", "other:s.json", "added"),
        },
    ),
    (
        "empty named context",
        {"files": {**FULL.files, "void": Listing()}},
        {("context", "void", "added")},
    ),
    (
        "extra input",
        {"files": {**FULL.files, EXTRA_INPUTS: listing((b"VERSION", FILE, B))}},
        {("file", "VERSION", "changed")},
    ),
]


@pytest.mark.parametrize(("changed", "told"), [row[1:] for row in ONE_CHANGE], ids=[row[0] for row in ONE_CHANGE])
def test_one_change_changes_the_key_and_is_named(changed: dict[str, Any], told: set[tuple[str, str, str]]) -> None:
    """Any one input counts, and the difference is exactly that input."""
    other = replace(FULL, **changed)
    assert key(other) != key(FULL)
    found = changes(FULL, other)
    assert {(change.kind, change.name, change.state) for change in found} == told
    assert list(found) == sorted(found)


def test_all_single_changes_differ_from_each_other() -> None:
    """No two of the changes in the table lead to one key."""
    keys = {key(replace(FULL, **changed)) for _, changed, _ in ONE_CHANGE}
    assert len(keys) == len(ONE_CHANGE)


def test_the_key_is_stable_across_versions() -> None:
    """The record's format is a promise: a change of it has to change FORMAT, and this value, on purpose."""
    assert key(KeyInputs(dockerfile=A, platforms=("linux/amd64",))) == (
        "b556ffa06a9ebeb3b08b999ab42ddedee59bb7ddab025187a3ec6a0ad951d36c"
    )


def test_order_means_nothing() -> None:
    """Mappings, platforms and secrets in another order give the same key."""
    turned = KeyInputs(
        dockerfile=FULL.dockerfile,
        platforms=FULL.platforms[::-1],
        target=FULL.target,
        args=dict(list(FULL.args.items())[::-1]),
        secrets=FULL.secrets[::-1],
        ssh=FULL.ssh,
        bases=dict(list(FULL.bases.items())[::-1]),
        images=FULL.images,
        contexts=FULL.contexts,
        files=dict(list(FULL.files.items())[::-1]),
        options=FULL.options,
    )
    assert key(turned) == key(FULL)
    assert changes(FULL, turned) == ()


_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=4)
_NAMES = st.text("ab:,1\n\t ", min_size=1, max_size=3)
_PATHS = st.binary(min_size=1, max_size=3).filter(lambda path: b"\0" not in path and b"/" not in path)
_RECORDS = st.sampled_from([mode + b" " + blob.encode() for mode in (FILE, EXECUTABLE, LINK) for blob in (A, B)])
_LISTINGS = st.dictionaries(_PATHS, _RECORDS, max_size=3).map(lambda entries: Listing.of(entries.items()))
_MAPS = st.dictionaries(_NAMES, _TEXT, max_size=2)
_INPUTS = st.builds(
    KeyInputs,
    dockerfile=st.sampled_from([A, B]),
    platforms=st.lists(st.sampled_from(["linux/amd64", "linux/arm64"]), min_size=1, unique=True).map(tuple),
    target=_TEXT,
    args=_MAPS,
    secrets=st.lists(_NAMES, max_size=2, unique=True).map(tuple),
    ssh=st.lists(_NAMES, max_size=2, unique=True).map(tuple),
    bases=_MAPS,
    images=_MAPS,
    contexts=_MAPS,
    files=st.dictionaries(st.sampled_from(["", "a", EXTRA_INPUTS]), _LISTINGS, max_size=2),
    options=_MAPS,
)


def _canonical(inputs: KeyInputs) -> object:
    """Return the inputs as a value in which order means nothing; an independent statement of what counts."""
    files = {name: frozenset(iter(found)) for name, found in inputs.files.items()}
    return (
        inputs.dockerfile,
        frozenset(inputs.platforms),
        inputs.target,
        frozenset(inputs.secrets),
        frozenset(inputs.ssh),
        *(frozenset(m.items()) for m in (inputs.args, inputs.bases, inputs.images, inputs.contexts, inputs.options)),
        frozenset(files.items()),
    )


@given(_INPUTS, _INPUTS)
def test_keys_are_equal_exactly_when_inputs_are(one: KeyInputs, two: KeyInputs) -> None:
    """No two different sets of inputs have one key, and nothing but the inputs decides."""
    same = _canonical(one) == _canonical(two)
    assert (key(one) == key(two)) is same
    assert (changes(one, two) == ()) is same


@given(_INPUTS, _INPUTS)
def test_changes_mirror(one: KeyInputs, two: KeyInputs) -> None:
    """Seen from the other side, added is removed and removed is added."""
    turned = {"added": "removed", "removed": "added", "changed": "changed"}
    there = {(change.kind, change.name, turned[change.state]) for change in changes(one, two)}
    assert there == {(change.kind, change.name, change.state) for change in changes(two, one)}


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ({"args": {"A": "1B"}}, {"args": {"A": "1", "B": ""}}),
        ({"args": {"AB": "C"}}, {"args": {"A": "BC"}}),
        ({"args": {"A": "1"}}, {"bases": {"A": "1"}}),
        ({"secrets": ("A",)}, {"ssh": ("A",)}),
        ({"secrets": ("A",)}, {"args": {"A": ""}}),
        ({"contexts": {"A": "1"}}, {"images": {"A": "1"}}),
        ({"args": {"1:A": "x"}}, {"args": {"1": "A1:x"}}),
        ({"files": {"": listing((b"a", FILE, A))}}, {"files": {"a": listing((b"a", FILE, A))}}),
        ({"files": {"": listing((b"a\n", FILE, A))}}, {"files": {"": listing((b"a", FILE, A))}}),
        ({"target": "x"}, {"options": {"x": "target"}}),
    ],
)
def test_neighbouring_fields_do_not_run_together(one: dict[str, Any], two: dict[str, Any]) -> None:
    """A value cannot be mistaken for its neighbour or for another kind."""
    base = KeyInputs(dockerfile=A, platforms=("linux/amd64",))
    assert key(replace(base, **one)) != key(replace(base, **two))


@pytest.mark.parametrize("name", ["target", "platforms"])
def test_an_option_cannot_stand_for_a_member(name: str) -> None:
    """An option named like a member would collide with it, so it is a programming error."""
    with pytest.raises(ValueError, match=name):
        KeyInputs(dockerfile=A, platforms=(), options={name: "x"})


def test_tag_is_a_prefix_and_160_bits() -> None:
    """The tag shows the first 40 hex digits of the key behind the prefix."""
    hexes = key(FULL)
    assert tag(hexes) == hexes[:40]
    assert tag(hexes, "c-") == f"c-{hexes[:40]}"
    assert re.fullmatch(r"[0-9a-f]{64}", hexes)


@pytest.mark.parametrize("prefix", ["-", ".", "a/b", "a:b", "ä", "a b", "x" * 100])
def test_an_illegal_prefix_is_refused(prefix: str) -> None:
    """What would not make a tag is a problem of the configuration."""
    with pytest.raises(InputError, match="tag_prefix"):
        tag("0" * 64, prefix)


def test_file_names_in_reasons() -> None:
    """Files of the main context and extra inputs go by their path, others with their context; bytes stay visible."""
    assert file_name("", b"a/b") == "a/b"
    assert file_name(EXTRA_INPUTS, b"VERSION") == "VERSION"
    assert file_name("schemas", b"a") == "schemas:a"
    assert file_name("", b"\xff") == "\\xff"
    assert Change("file", "a", "added") < Change("file", "b", "added")
