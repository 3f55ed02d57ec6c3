from __future__ import annotations

import errno
import os
import stat
import threading
from typing import TYPE_CHECKING

import pytest

from pipeline_kit.errors import OutputFailed
from pipeline_kit.outputs.files import append, write_atomically

if TYPE_CHECKING:
    from pathlib import Path


def test_a_file_is_created_with_the_usual_permissions(tmp_path: Path) -> None:
    """The umask decides, as for any file a shell would write."""
    old = os.umask(0o027)
    try:
        write_atomically(tmp_path / "report.json", b"data")
    finally:
        os.umask(old)
    assert (tmp_path / "report.json").read_bytes() == b"data"
    assert stat.S_IMODE((tmp_path / "report.json").stat().st_mode) == 0o640


def test_an_existing_file_is_replaced_and_keeps_its_permissions(tmp_path: Path) -> None:
    """A reader that has the old one open still reads it whole."""
    path = tmp_path / "report.json"
    path.write_bytes(b"old and longer")
    path.chmod(0o600)
    with path.open("rb") as reader:
        write_atomically(path, b"new")
        assert reader.read() == b"old and longer"
    assert (path.read_bytes(), stat.S_IMODE(path.stat().st_mode)) == (b"new", 0o600)
    assert [path.name for path in tmp_path.iterdir()] == ["report.json"]


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO])
def test_a_failed_write_leaves_the_old_file_and_no_litter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: int
) -> None:
    """A disk that fills up after half of the bytes: the old bytes stay, the temporary file goes."""
    path = tmp_path / "pipeline-kit.lock"
    path.write_bytes(b"old")
    real = os.write

    def half(handle: int, data: memoryview) -> int:
        if len(data) <= 500:
            raise OSError(error, os.strerror(error))
        return real(handle, data[:500])

    monkeypatch.setattr(os, "write", half)
    with pytest.raises(OutputFailed, match=os.strerror(error)):
        write_atomically(path, b"x" * 1000)
    assert path.read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["pipeline-kit.lock"]


@pytest.mark.parametrize(("name", "reason"), [("none/report.json", "No such file"), ("", "directory")])
def test_a_place_that_cannot_be_written_is_named(tmp_path: Path, name: str, reason: str) -> None:
    """A missing directory and a directory in the file's place."""
    with pytest.raises(OutputFailed, match=reason) as caught:
        write_atomically(tmp_path / name, b"x")
    assert str(tmp_path) in caught.value.message
    assert caught.value.hint


def test_a_link_is_replaced_and_its_target_untouched(tmp_path: Path) -> None:
    """A checkout cannot make the report overwrite a file elsewhere."""
    (tmp_path / "precious").write_bytes(b"precious")
    (tmp_path / "report.json").symlink_to("precious")
    write_atomically(tmp_path / "report.json", b"new")
    assert (tmp_path / "precious").read_bytes() == b"precious"
    assert not (tmp_path / "report.json").is_symlink()


def test_a_device_is_written_to_not_replaced(tmp_path: Path) -> None:
    """``--report /dev/stdout`` must not turn the device into a file; more than a pipe holds arrives whole."""
    read, write = os.pipe()
    link = tmp_path / "stdout"
    link.symlink_to(f"/proc/self/fd/{write}")
    received: list[bytes] = []

    def drain() -> None:
        with os.fdopen(read, "rb") as stream:
            received.append(stream.read())

    reader = threading.Thread(target=drain)
    reader.start()
    write_atomically(link, b"x" * 300_000)
    os.close(write)
    reader.join()
    assert len(received[0]) == 300_000
    assert link.is_symlink()


def test_appending_keeps_what_is_there(tmp_path: Path) -> None:
    """An unfinished last line is ended first; an empty or missing file gets no empty line."""
    path = tmp_path / "output"
    append(path, b"a\n")
    append(path, b"b")
    append(path, b"c\n")
    assert path.read_bytes() == b"a\nb\nc\n"


def test_a_failed_append_leaves_no_half_outputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is cut back to what it held."""
    path = tmp_path / "output"
    path.write_bytes(b"x=1")
    real = os.write
    calls: list[int] = []

    def second_fails(handle: int, data: memoryview) -> int:
        calls.append(len(data))
        if len(calls) > 1:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(handle, data[:4])

    monkeypatch.setattr(os, "write", second_fails)
    with pytest.raises(OutputFailed, match=r"the outputs file .*No space left"):
        append(path, b"name<<x\nvalue\nx\n", what="the outputs file")
    assert path.read_bytes() == b"x=1"
    assert len(calls) == 2


def test_a_pipe_without_a_reader_is_an_error_not_a_wait(tmp_path: Path) -> None:
    """A run never hangs on its outputs."""
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OutputFailed, match="No such device"):
        append(tmp_path / "pipe", b"x")
