from __future__ import annotations

import json
import zlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_kit.content_tag import Change, KeyInputs, changes
from pipeline_kit.errors import RegistryRefused
from pipeline_kit.manifest import Descriptor, Manifest, parse_descriptor
from pipeline_kit.record import (
    ALIAS_TYPE,
    EMPTY,
    KEY_NOTE,
    MAX_BYTES,
    PACKED_TYPE,
    RECORD_TYPE,
    SCOPE_NOTE,
    BuildRecord,
    Stamp,
    alias_artifact,
    format_record,
    is_later,
    parse_record,
    read_alias,
    record_artifact,
)
from pipeline_kit.recorded_inputs import HIDDEN, MAX_FILES, RecordedInputs, at_depth, differences, record_inputs
from pipeline_kit.snapshot import Listing
from pipeline_kit.values import replace

KEY = "a" * 64
SUBJECT = Descriptor("application/vnd.oci.image.manifest.v1+json", f"sha256:{'1' * 64}", 500)
STAMP = Stamp("c" * 40, 1_700_000_000, "refs/heads/main", "github", 7, 2)


def inputs(files: dict[bytes, bytes] | None = None, **members: Any) -> KeyInputs:
    """Return the inputs of a small image."""
    listing = Listing.of((files or {b"src/app.py": b"100644 " + b"1" * 40}).items())
    return KeyInputs(dockerfile="d" * 40, platforms=("linux/amd64",), files={"": listing}, **members)


def record(**members: Any) -> BuildRecord:
    """Return a record with some members changed."""
    plain = BuildRecord(
        image="api",
        key=KEY,
        tag="a" * 40,
        repository="registry.example/shop/api",
        platforms=("linux/amd64",),
        inputs=record_inputs(inputs(args={"MODE": "fast"}, secrets=("npm",), bases={"python:3": f"sha256:{'b' * 64}"})),
        scope="trusted",
        stamp=STAMP,
        run_url="https://ci.example/7",
        seconds=12.5,
        created=1_700_000_100,
        tool_version="1.0",
    )
    return replace(plain, **members)


def test_a_record_comes_back_as_it_was_written() -> None:
    """Small ones as plain JSON."""
    kind, data = format_record(record())
    assert kind == RECORD_TYPE
    assert parse_record(kind, data) == record()


def test_a_long_record_is_packed() -> None:
    """Thousands of files take a few bytes each."""
    files = {b"src/%05d.py" % number: b"100644 %040x" % number for number in range(5000)}
    long = record(inputs=record_inputs(inputs(files)))
    kind, data = format_record(long)
    assert kind == PACKED_TYPE
    assert len(data) < 5000 * 20
    assert parse_record(kind, data) == long


def test_a_record_holds_no_value_of_an_argument_or_secret() -> None:
    """Names, and hashes; of what looks like a secret not even that."""
    args = {"MODE": "very-fast-mode", "NPM_TOKEN": "hunter2hunter2", "URL": "https://me:hunter3@example.com"}
    _, data = format_record(record(inputs=record_inputs(inputs(args=args, secrets=("npmrc",)))))
    text = data.decode()
    assert not any(value in text for value in ("very-fast-mode", "hunter2", "hunter3"))
    found = json.loads(text)["inputs"]
    assert set(found["arg"]) == set(args)
    assert found["arg"]["NPM_TOKEN"] == found["arg"]["URL"] == HIDDEN
    assert found["secret"] == {"npmrc": ""}


DOCUMENT = json.loads(format_record(record())[1])


def altered(path: str, value: Any) -> bytes:
    """Return the record's bytes with one member replaced, or without it."""
    found = json.loads(json.dumps(DOCUMENT))
    *parents, last = path.split(".")
    place = found
    for parent in parents:
        place = place[parent]
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return json.dumps(found).encode()


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("version", 2),
        ("version", ...),
        ("key", "a" * 63),
        ("key", "A" * 64),
        ("key", 7),
        ("tag", "-bad"),
        ("image", None),
        ("image", "x" * 3000),
        ("platforms", "linux/amd64"),
        ("platforms", [1]),
        ("scope", "trusted\n"),
        ("scope", ""),
        ("seconds", True),
        ("seconds", -1),
        ("seconds", "1"),
        ("created", 10**30),
        ("created", 1.5),
        ("stamp", []),
        ("stamp.commit", "main"),
        ("stamp.commit_time", -5),
        ("stamp.run", True),
        ("inputs", None),
        ("inputs.depth", 99),
        ("inputs.depth", True),
        ("inputs.file", ["x"]),
        ("inputs.file", {"x": 1}),
        ("inputs.arg", {"x": "y" * 5000}),
    ],
)
def test_a_malformed_record_is_refused(path: str, value: Any) -> None:
    """Whoever may push may write one: nothing of another shape gets in, and nothing breaks."""
    with pytest.raises(RegistryRefused, match="build record"):
        parse_record(RECORD_TYPE, altered(path, value))


@pytest.mark.parametrize("data", [b"", b"[]", b"null", b"{", b"\xff", b"[" * 100_000, b'{"version":1}'])
def test_bytes_that_are_no_record(data: bytes) -> None:
    """A message, whatever they are."""
    with pytest.raises(RegistryRefused):
        parse_record(RECORD_TYPE, data)


def test_a_record_that_unpacks_to_gigabytes_is_refused() -> None:
    """Without unpacking them."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    bomb = b"".join(packer.compress(bytes(1 << 20)) for _ in range(64)) + packer.flush()
    assert len(bomb) < MAX_BYTES
    for data in (bomb, bomb[:-20], b"no gzip"):
        with pytest.raises(RegistryRefused):
            parse_record(PACKED_TYPE, data)
    with pytest.raises(RegistryRefused):
        parse_record("application/json", b"{}")


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)
    )
)
def test_any_json_is_a_record_or_refused(document: Any) -> None:
    """No other exception."""
    with pytest.raises(RegistryRefused):
        parse_record(RECORD_TYPE, json.dumps(document).encode())


def test_differences_are_those_of_the_inputs_themselves() -> None:
    """As explain --against REV tells them."""
    old = inputs(
        {b"a": b"100644 " + b"1" * 40, b"b": b"100644 " + b"2" * 40},
        args={"MODE": "fast", "GONE": "x"},
        bases={"python:3": f"sha256:{'b' * 64}"},
        secrets=("npm",),
    )
    new = inputs(
        {b"a": b"100755 " + b"1" * 40, b"c": b"100644 " + b"2" * 40},
        args={"MODE": "slow", "NEW": "x"},
        bases={"python:3": f"sha256:{'c' * 64}"},
        ssh=("default",),
        target="runtime",
    )
    assert differences(record_inputs(old), record_inputs(new)) == changes(old, new)
    assert differences(record_inputs(old), record_inputs(old)) == ()


def test_a_large_context_is_recorded_by_directory() -> None:
    """A change is told by the directory it lies in."""
    files = {b"d%02d/e/%05d" % (number % 40, number): b"100644 %040x" % number for number in range(MAX_FILES + 1)}
    old = record_inputs(inputs(files))
    assert old.depth > 0
    assert len(old.groups["file"]) <= MAX_FILES
    new = record_inputs(inputs({**files, b"d07/e/00007": b"100644 " + b"f" * 40, b"new": b"100644 " + b"f" * 40}))
    assert differences(old, new) == (Change("file", "d07/e/", "changed"), Change("file", "new", "added"))
    small = record_inputs(inputs(dict(list(files.items())[:100])))
    assert {change.kind for change in differences(old, small)} == {"file"}
    assert differences(at_depth(small, old.depth), small) == differences(small, at_depth(small, old.depth)) == ()
    assert differences(at_depth(small, 1), at_depth(small, 2)) == (Change("file", "(some)", "changed"),)


def test_names_outside_utf_8_are_recorded() -> None:
    """A file's name may be any bytes, and an argument's value, too."""
    odd = record(inputs=record_inputs(inputs({b"\xff\xfe": b"100644 " + b"1" * 40}, args={"X": "\udcff"})))
    assert parse_record(*format_record(odd)) == odd


def test_the_artifact_names_its_subject_and_can_be_chosen_from_a_listing() -> None:
    """Key and scope stand in the annotations."""
    manifest, layer, data = record_artifact(record(), SUBJECT, "2023-11-14T22:15:00Z")
    document = manifest.document()
    assert document["artifactType"] == RECORD_TYPE
    assert document["subject"] == {"mediaType": SUBJECT.media_type, "digest": SUBJECT.digest, "size": 500}
    assert document["annotations"][KEY_NOTE] == KEY
    assert document["annotations"][SCOPE_NOTE] == "trusted"
    assert manifest.blobs() == (EMPTY, layer)
    assert layer.size == len(data)


def listed(manifest: Manifest) -> Descriptor:
    """Return a manifest as a listing of referrers shows it."""
    document = manifest.document()
    shown = {"mediaType": manifest.media_type, "digest": manifest.digest, "size": len(manifest.data)}
    return parse_descriptor({**shown, "artifactType": ALIAS_TYPE, "annotations": document["annotations"]})


def test_an_alias_record_is_read_from_the_listing() -> None:
    """No blob need be fetched."""
    assert read_alias(listed(alias_artifact("main", STAMP, SUBJECT))) == ("main", STAMP)
    assert read_alias(listed(alias_artifact("main", Stamp("c" * 40), SUBJECT))) == ("main", Stamp("c" * 40))


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("alias", "-x", None),
        ("commit", "main", None),
        ("run", "-1", ("main", replace(STAMP, run=0))),
        ("run", "²", ("main", replace(STAMP, run=0))),
        ("run", "9" * 5000, ("main", replace(STAMP, run=0))),
        ("ref", "x" * 5000, None),
    ],
)
def test_a_malformed_alias_record(name: str, value: str, expected: object) -> None:
    """Whoever may push may write one."""
    good = listed(alias_artifact("main", STAMP, SUBJECT))
    notes = {**dict(good.annotations), f"io.pipeline-kit.alias.{name}": value}
    assert read_alias(good._replace(annotations=tuple(notes.items()))) == expected


OTHER = replace(STAMP, commit="d" * 40)


@pytest.mark.parametrize(
    ("theirs", "expected"),
    [
        (STAMP, False),
        (replace(OTHER, commit_time=STAMP.commit_time + 1), True),
        (replace(OTHER, commit_time=STAMP.commit_time - 1, run=99), False),
        (replace(OTHER, run=8), True),
        (replace(OTHER, run=6), False),
        (replace(OTHER, attempt=3), True),
        (replace(OTHER, commit_time=0, run=8), True),
        (replace(OTHER, commit_time=0, run=0), None),
        (replace(OTHER, ref="refs/heads/other", run=8), None),
        (replace(OTHER, provider="codebuild", run=8), None),
        (Stamp("d" * 40), None),
    ],
)
def test_the_order_of_two_runs(theirs: Stamp, *, expected: bool | None) -> None:
    """By commit time, then by the CI's count; only on one ref of one CI."""
    assert is_later(theirs, STAMP) is expected


def test_runs_without_a_ref_have_no_order() -> None:
    """Two unknown refs are not one."""
    assert is_later(replace(OTHER, ref="", run=9), replace(STAMP, ref="")) is None


@given(
    st.builds(
        Stamp,
        st.sampled_from(["", "c" * 40, "d" * 40]),
        st.integers(0, 3),
        st.sampled_from(["", "r"]),
        st.just("ci"),
        st.integers(0, 2),
    ),
    st.builds(
        Stamp,
        st.sampled_from(["", "c" * 40, "d" * 40]),
        st.integers(0, 3),
        st.sampled_from(["", "r"]),
        st.just("ci"),
        st.integers(0, 2),
    ),
)
def test_never_are_both_later(one: Stamp, two: Stamp) -> None:
    """Or an alias would go back and forth."""
    assert not (is_later(one, two) is True and is_later(two, one) is True)


def test_equal_depths_without_files() -> None:
    """A record of an image without a context compares as well."""
    assert differences(RecordedInputs(), RecordedInputs({"file": {"a": "b"}})) == (Change("file", "a", "added"),)
