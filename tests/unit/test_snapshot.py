from __future__ import annotations

import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_kit.snapshot import FILE, LINK, Listing, blob_id
from pipeline_kit.uncut import Uncut

RECORD = FILE + b" " + b"0" * 40
_NAMES = st.binary(min_size=1, max_size=3).filter(lambda name: not {0, ord("/")} & set(name))
_PATHS = st.lists(_NAMES, min_size=1, max_size=3).map(b"/".join)
_ENTRIES = st.dictionaries(_PATHS, st.sampled_from([RECORD, LINK + b" " + b"1" * 40]), max_size=8)


@pytest.mark.parametrize("data", [b"", b"x", b"a\r\nb", bytes(range(256)) * 100])
def test_blob_id_is_git_s(data: bytes) -> None:
    """Git names the same bytes the same."""
    answer = subprocess.run(["git", "hash-object", "--stdin"], input=data, capture_output=True, check=True)
    assert blob_id(data) == answer.stdout.decode().strip()


@given(_ENTRIES)
def test_a_listing_is_its_entries_in_byte_order(entries: dict[bytes, bytes]) -> None:
    """Order of construction means nothing; every entry is found, and nothing else."""
    listing = Listing.of(entries.items())
    assert dict(listing) == entries
    assert listing.paths == sorted(entries)
    assert listing == Listing.of(list(entries.items())[::-1])
    assert all(listing.get(path) == record for path, record in entries.items())
    assert listing.get(b"not/there") is None
    assert len(listing) == len(entries)


def _uncut(entries: dict[bytes, bytes]) -> Listing:
    """Return the listing of ``entries`` as git's index writes them, not cut yet."""
    written = [b"H " + record + b" 0\t" + path for path, record in sorted(entries.items())]
    return Listing.of_entries(Uncut(written, 2, len(b"H " + RECORD + b" 0\t")))


@given(_ENTRIES, _PATHS.filter(lambda path: path != b"."), st.dictionaries(_PATHS, st.sampled_from([None, RECORD])))
def test_a_listing_that_is_cut_late_is_the_same(
    entries: dict[bytes, bytes], place: bytes, changes: dict[bytes, bytes | None]
) -> None:
    """Whatever is asked of it first."""
    plain = Listing.of(entries.items())
    assert _uncut(entries) == plain
    assert len(_uncut(entries)) == len(plain)
    assert _uncut(entries).get(place) == plain.get(place)
    assert [_uncut(entries).get(path) for path in entries] == list(entries.values())
    assert _uncut(entries).under(place) == plain.under(place)
    assert _uncut(entries).spans(place) == plain.spans(place)
    assert _uncut(entries).digest() == plain.digest()
    assert _uncut(entries).joined(plain.spans(place)) == plain.joined(plain.spans(place))
    patched = _uncut(entries).patched(changes)
    whole = Listing.of(plain.patched(changes))
    assert patched.under(place) == plain.patched(changes).under(place) == whole.under(place)
    assert patched.under(place).digest() == whole.under(place).digest()
    again = patched.patched({place + b"/x": RECORD})
    assert again.under(place) == Listing.of([*whole, (place + b"/x", RECORD)]).under(place)
    assert patched == plain.patched(changes)
    assert _uncut(entries).patched({place: b"040000 -"}) == plain.patched({place: b"040000 -"})


@given(_ENTRIES, st.dictionaries(_PATHS, st.sampled_from([None, RECORD, b"040000 -"])), st.lists(_PATHS, max_size=4))
def test_texts_are_cut_out_of_one_another(
    entries: dict[bytes, bytes], changes: dict[bytes, bytes | None], places: list[bytes]
) -> None:
    """What was joined once for the whole is not joined again for what is patched or a part, and is the same."""
    for before in (_uncut(entries), Listing.of(entries.items())):
        assert before.text == b"\0".join(b"%b\t%b" % (record, path) for path, record in Listing.of(entries.items()))
        after = before.patched(changes)
        fresh = Listing.of(after)
        assert after.text == fresh.text
        parts = [part for place in places for part in after.spans(place)]
        assert after.joined(parts).text == Listing.of(after.joined(parts)).text
        assert after.joined(parts).digest() == fresh.joined(parts).digest()


@given(_ENTRIES, _PATHS.filter(lambda path: path != b"."))
def test_under_is_everything_below(entries: dict[bytes, bytes], directory: bytes) -> None:
    """Neighbours whose names merely begin alike stay out."""
    found = Listing.of(entries.items()).under(directory)
    prefix = directory + b"/"
    assert dict(found) == {
        path.removeprefix(prefix): record for path, record in entries.items() if path.startswith(prefix)
    }


@given(_ENTRIES, _PATHS.filter(lambda path: path != b"."))
def test_paths_in_a_directory_are_those_below_it(entries: dict[bytes, bytes], directory: bytes) -> None:
    """Whole, and in order."""
    found = Listing.of(entries.items()).paths_in(directory)
    assert list(found) == sorted(path for path in entries if path.startswith(directory + b"/"))


@pytest.mark.parametrize("root", [b"", b"."])
def test_the_root_is_the_whole(root: bytes) -> None:
    """Both spellings of the root mean everything."""
    listing = Listing.of([(b"a", RECORD)])
    assert listing.under(root) == listing


def test_a_directory_may_be_called_like_a_mode() -> None:
    """What is remembered of a listing by kind is not taken for what lies below a directory."""
    listing = Listing.of([(b"040000/x", RECORD)])
    assert not listing.holds_directories
    assert listing.under(b"040000").paths == [b"x"]


def test_under_stops_at_names_around_the_slash() -> None:
    """Bytes just before and after the slash do not confuse the search."""
    listing = Listing.of([(name, RECORD) for name in (b"a", b"a-b", b"a.b", b"a/x", b"a0", b"a/\xff", b"ab/x")])
    assert listing.under(b"a").paths == [b"x", b"\xff"]


@given(_ENTRIES, _ENTRIES)
def test_digests_are_equal_exactly_when_listings_are(one: dict[bytes, bytes], two: dict[bytes, bytes]) -> None:
    """Tabs, newlines and other odd bytes in names cannot make two listings look alike."""
    first, second = Listing.of(one.items()), Listing.of(two.items())
    assert (first.digest() == second.digest()) is (one == two)


@given(
    st.dictionaries(st.binary(min_size=1, max_size=3), st.binary(max_size=2), max_size=12),
    st.dictionaries(st.binary(min_size=1, max_size=3), st.none() | st.binary(max_size=2), max_size=12),
)
def test_a_patched_listing_is_that_of_the_changed_entries(
    before: dict[bytes, bytes], changes: dict[bytes, bytes | None]
) -> None:
    """Patching equals changing a dictionary and listing it anew, and leaves the first listing alone."""
    listing = Listing.of(before.items())
    after = {path: record for path, record in {**before, **changes}.items() if record is not None}
    assert listing.patched(changes) == Listing.of(after.items())
    assert listing == Listing.of(before.items())
