from __future__ import annotations

import hashlib
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from typing import TYPE_CHECKING

import pytest

from pipeline_kit.adapters.directory import DirectoryTree
from pipeline_kit.adapters.filesystem import base_of, clean_directories, shown, shown_all
from pipeline_kit.adapters.hashing import hash_paths
from pipeline_kit.errors import CheckoutError, ContextChanged, InputError, UnreadableFile
from pipeline_kit.snapshot import EMPTY_DIRECTORY_RECORD, SPECIAL_RECORD, blob_id

if TYPE_CHECKING:
    from pathlib import Path


def _record(mode: str, content: bytes) -> bytes:
    return f"{mode} {blob_id(content)}".encode()


def test_every_kind_of_entry_has_its_record(tmp_path: Path) -> None:
    """Files, executables, links by text, empty directories; directories with content are implied."""
    (tmp_path / "a").mkdir()
    (tmp_path / "a/file").write_bytes(b"one")
    (tmp_path / "a/tool").write_bytes(b"two")
    (tmp_path / "a/tool").chmod(0o755)
    (tmp_path / "a/loop").symlink_to("../a")
    (tmp_path / "a/dangling").symlink_to("/nowhere/at all")
    (tmp_path / "empty/inner").mkdir(parents=True)
    assert dict(DirectoryTree(tmp_path).listing(["."])) == {
        b"a/file": _record("100644", b"one"),
        b"a/tool": _record("100755", b"two"),
        b"a/loop": _record("120000", b"../a"),
        b"a/dangling": _record("120000", b"/nowhere/at all"),
        b"empty/inner": EMPTY_DIRECTORY_RECORD,
    }


def test_blob_ids_are_those_of_git(tmp_path: Path) -> None:
    """A record's id is what git hash-object prints."""
    content = os.urandom(3 * 1024 * 1024 + 17)
    (tmp_path / "big").write_bytes(content)
    expected = subprocess.run(
        ["git", "hash-object", "--stdin"], input=content, stdout=subprocess.PIPE, check=True, cwd="/"
    ).stdout.strip()
    assert DirectoryTree(tmp_path).listing(["."]).get(b"big") == b"100644 " + expected


@pytest.mark.parametrize(
    ("mode", "kind"),
    [(0o644, "100644"), (0o664, "100644"), (0o600, "100644"), (0o655, "100644"), (0o755, "100755"), (0o744, "100755")],
)
def test_the_owners_execute_bit_decides_the_mode(tmp_path: Path, mode: int, kind: str) -> None:
    """Modes are git's two classes, whatever the umask was."""
    (tmp_path / "f").write_bytes(b"")
    (tmp_path / "f").chmod(mode)
    assert DirectoryTree(tmp_path).listing(["."]).get(b"f") == _record(kind, b"")


def test_special_files_are_recorded_and_never_opened(tmp_path: Path) -> None:
    """A FIFO without a writer would hang an open(); a socket cannot be opened at all."""
    os.mkfifo(tmp_path / "fifo")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.path.relpath(tmp_path / "socket"))
        previous = signal.signal(signal.SIGALRM, lambda *_: pytest.fail("opening a FIFO hung"))
        signal.alarm(10)
        try:
            found = dict(DirectoryTree(tmp_path).listing(["."]))
        finally:
            signal.alarm(0)
            signal.signal(signal.SIGALRM, previous)
    assert found == {b"fifo": SPECIAL_RECORD, b"socket": b"140000 -"}
    assert DirectoryTree(tmp_path).read("fifo") is None


@pytest.mark.parametrize(
    "name", [b"new\nline", b"tab\t", b'"quote"', b"\xff\xfe", b"-rf", b" blank ", b"a" * 255, b":x"]
)
def test_any_name_survives(tmp_path: Path, name: bytes) -> None:
    """Names are bytes from end to end."""
    (tmp_path / os.fsdecode(name)).write_bytes(b"1")
    assert DirectoryTree(tmp_path).listing(["."]).paths == [name]
    assert DirectoryTree(tmp_path).read(os.fsdecode(name)) == b"1"


def test_git_directories_count_only_when_asked_for(tmp_path: Path) -> None:
    """``.git`` is skipped at any depth, and a directory that holds nothing else counts as empty."""
    for path in (".git/HEAD", "nested/.git/HEAD", "only/.git/HEAD"):
        (tmp_path / path).parent.mkdir(parents=True)
        (tmp_path / path).write_bytes(b"ref")
    (tmp_path / "nested/f").write_bytes(b"")
    (tmp_path / "nested/.gitignore").write_bytes(b"")
    tree = DirectoryTree(tmp_path)
    assert tree.listing(["."]).paths == [b"nested/.gitignore", b"nested/f", b"only"]
    with_git = tree.listing(["."], include_git=True).paths
    assert with_git == [b".git/HEAD", b"nested/.git/HEAD", b"nested/.gitignore", b"nested/f", b"only/.git/HEAD"]


def test_only_asked_directories_are_listed(tmp_path: Path) -> None:
    """Neighbours with a common beginning stay out; nested and repeated ones count once; a file may be asked for."""
    for path in ("a/1", "a/b/2", "a-b/3", "ab/4", "VERSION"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(b"")
    tree = DirectoryTree(tmp_path)
    assert tree.listing(["a"]).paths == [b"a/1", b"a/b/2"]
    assert tree.listing(["./a/", "a/b", "VERSION", "absent"]).paths == [b"VERSION", b"a/1", b"a/b/2"]
    assert tree.listing(["ab", "a-b"]).paths == [b"a-b/3", b"ab/4"]
    assert tree.listing([]).paths == []
    assert tree.listing(["ab", "."]) == tree.listing([""])


@pytest.mark.parametrize("path", ["..", "a/../b", "/etc", "a\0b"])
def test_paths_outside_are_refused(tmp_path: Path, path: str) -> None:
    """A tree shows nothing outside its root."""
    with pytest.raises(InputError):
        DirectoryTree(tmp_path).listing([path])
    with pytest.raises(InputError):
        DirectoryTree(tmp_path).read(path)


def test_a_context_that_is_a_link_is_refused(tmp_path: Path) -> None:
    """Listing a link to a directory would show one link and no files, so it is an error that names the target."""
    (tmp_path / "real/inner").mkdir(parents=True)
    (tmp_path / "link").symlink_to("real")
    for asked in ("link", "link/inner"):
        with pytest.raises(InputError, match="through a link") as caught:
            DirectoryTree(tmp_path).listing([asked])
        assert str(tmp_path / "real") in (caught.value.hint or "")


def test_cleaning_keeps_the_outermost_directories() -> None:
    """Order and repetition of the asked directories do not matter."""
    assert clean_directories(["b", "a/c", "a", "a-b", "a//c/d", "./b/."]) == [b"a-b", b"a", b"b"]
    assert clean_directories(["-x", "."]) == [b""]


def test_reading_follows_links_inside_only(tmp_path: Path) -> None:
    """Links that stay inside are followed; those that leave or loop show nothing."""
    root = tmp_path / "root"
    (root / "d").mkdir(parents=True)
    (tmp_path / "secret").write_bytes(b"secret")
    (root / "d/f").write_bytes(b"data")
    for name, target in {"in": "d/f", "up": "d/../in", "out": "../secret", "abs": "/etc/passwd", "me": "me"}.items():
        (root / name).symlink_to(target)
    tree = DirectoryTree(root)
    assert {name: tree.read(name) for name in ("d/f", "in", "up", "out", "abs", "me", "d", "none", "d/f/x", ".")} == {
        **dict.fromkeys(("d/f", "in", "up"), b"data"),
        **dict.fromkeys(("out", "abs", "me", "d", "none", "d/f/x", "."), None),
    }


POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 5\n"


def test_lfs_pointers_are_refused_unless_allowed(tmp_path: Path) -> None:
    """A pointer instead of content is an error naming every such file; a large file with that beginning is none."""
    (tmp_path / "a.bin").write_bytes(POINTER)
    (tmp_path / "b.bin").write_bytes(POINTER)
    (tmp_path / "large.txt").write_bytes(POINTER + b"x" * 1024)
    with pytest.raises(CheckoutError, match=r"a\.bin, b\.bin$"):
        DirectoryTree(tmp_path).listing(["."])
    assert len(DirectoryTree(tmp_path, allowed={"lfs-pointer"}).listing(["."])) == 3


AS_NOBODY = """
import os, pathlib, sys
from pipeline_kit.adapters.directory import DirectoryTree
from pipeline_kit.errors import UnreadableFile
os.setgid(65534)
os.setuid(65534)
for root in sys.argv[1:]:
    try:
        DirectoryTree(pathlib.Path(root)).listing(["."])
    except UnreadableFile as error:
        print(error.message)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="takes another user's rights")
def test_unreadable_files_and_directories_are_named() -> None:
    """What cannot be read cannot be part of a tag."""
    with tempfile.TemporaryDirectory() as made:
        base = pathlib.Path(made)
        base.chmod(0o755)
        for name in ("file", "dir"):
            (base / name / "inner").mkdir(parents=True)
            (base / name / "inner/secret").write_bytes(b"")
        (base / "file/inner/secret").chmod(0o000)
        (base / "dir/inner").chmod(0o000)
        command = [sys.executable, "-c", AS_NOBODY, str(base / "file"), str(base / "dir")]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.stdout.splitlines() == [
        "cannot read inner/secret: Permission denied",
        "cannot read inner/: Permission denied",
    ], done.stderr


def test_a_file_that_vanishes_is_reported(tmp_path: Path) -> None:
    """A path the walk saw and reading does not find means that somebody writes here."""
    with pytest.raises(ContextChanged, match="gone went away"):
        hash_paths(base_of(tmp_path), [b"gone"])


def test_a_file_that_became_a_directory_or_link_is_reported(tmp_path: Path) -> None:
    """Another kind of thing than the walk saw is a change, not a guess."""
    (tmp_path / "d").mkdir()
    with pytest.raises(ContextChanged, match="d changed"):
        hash_paths(base_of(tmp_path), [b"d"])


def test_a_file_that_grows_while_read_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Size, time or content that moves between the first and the last byte is a change."""
    target = tmp_path / "log"
    target.write_bytes(b"x" * 100)
    real_read = os.read

    def read_and_append(handle: int, count: int) -> bytes:
        with target.open("ab") as stream:
            stream.write(b"y")
        return real_read(handle, count)

    monkeypatch.setattr(os, "read", read_and_append)
    with pytest.raises(ContextChanged, match="log changed"):
        DirectoryTree(tmp_path).listing(["."])


def test_of_several_failures_the_first_path_is_named(tmp_path: Path) -> None:
    """Threads do not make the message depend on luck."""
    names = [b"%04d" % number for number in range(400)]
    for number, name in enumerate(names[:100]):
        (tmp_path / os.fsdecode(name)).write_bytes(b"x" * (100_000 if number % 2 else 1))
    with pytest.raises(ContextChanged):
        hash_paths(base_of(tmp_path), names)
    (tmp_path / "0000").unlink()
    (tmp_path / "0000").mkdir()
    with pytest.raises(ContextChanged, match="0000 changed"):
        hash_paths(base_of(tmp_path), names[:1])


def test_many_files_on_threads_give_the_same_records(tmp_path: Path) -> None:
    """Hashing on threads, as large files are, equals hashing one by one, and leaves no thread behind."""
    expected = {}
    for number in range(300):
        content = hashlib.sha256(b"%d" % number).digest() * (number + 1) * (100 if number % 10 == 0 else 1)
        (tmp_path / f"{number:03d}").write_bytes(content)
        expected[b"%03d" % number] = _record("100644", content)
    threads = threading.active_count()
    assert dict(DirectoryTree(tmp_path).listing(["."])) == expected
    assert threading.active_count() == threads


def test_names_are_shown_on_one_printable_line() -> None:
    """Control codes and broken UTF-8 in a name reach no terminal."""
    assert shown(b"a\x1b[31m\n\xff\xe2\x80\xae") == r"a\x1b[31m\n\xff\u202e"
    assert shown("grün".encode()) == "grün"
    assert shown_all([b"%02d" % number for number in range(23)]).endswith("19 and 3 more")


def test_describe_says_what_it_is(tmp_path: Path) -> None:
    """People learn that git was not used."""
    assert DirectoryTree(tmp_path).describe() == "directory without git"


def test_an_unreadable_file_is_not_an_absent_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """read() of a file without permission raises instead of saying there is none."""
    (tmp_path / "f").write_bytes(b"")

    def refuse(*_: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(UnreadableFile, match="cannot read f"):
        DirectoryTree(tmp_path).read("f")
