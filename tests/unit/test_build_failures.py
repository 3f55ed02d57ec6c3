from __future__ import annotations

import io
import os
import stat
import tarfile
from typing import TYPE_CHECKING

import pytest

from pipeline_kit.adapters.builders.capabilities import is_unreachable, unreachable
from pipeline_kit.adapters.builders.context_tar import write_context
from pipeline_kit.adapters.builders.environment import child_environment
from pipeline_kit.adapters.builders.failures import TransientPush, push_error
from pipeline_kit.errors import (
    AuthenticationFailed,
    AuthorizationDenied,
    ContextChanged,
    EngineUnreachable,
    PipelineKitError,
    PushFailed,
    RegistryRefused,
    RepositoryMissing,
    TagConflict,
    UnreadableFile,
)
from pipeline_kit.ports.builder import ContextFile

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("received unexpected HTTP status: 503 Service Unavailable", TransientPush),
        ("failed to push h/r: unexpected status from PUT request to http://h/v2/: 502 Bad Gateway", TransientPush),
        ('failed to push h/r@sha256:0: failed to do request: Head "x": dial tcp: connection refused', TransientPush),
        ("toomanyrequests: slow down", TransientPush),
        ("manifest blob unknown: blob unknown to registry", TransientPush),
        ("read tcp 1->2: i/o timeout", TransientPush),
        ("unexpected status from POST request to http://h/v2/: 401 Unauthorized", AuthenticationFailed),
        ("unauthorized: authentication required", AuthenticationFailed),
        ("no basic auth credentials", AuthenticationFailed),
        ("denied: requested access to the resource is denied", AuthorizationDenied),
        ("unexpected status from POST request to http://h/v2/: 403 Forbidden", AuthorizationDenied),
        ("tag invalid: The image tag 'x' already exists and the tag is immutable.", TagConflict),
        ("name unknown: The repository with name 'r' does not exist in the registry", RepositoryMissing),
        ("manifest invalid: no", RegistryRefused),
        ("write /x: no space left on device", EngineUnreachable),
        ("An image does not exist locally with the tag: h/r", PushFailed),
        ("tag does not exist: 127.0.0.1:5000/r:t", PushFailed),
    ],
)
def test_push_errors(text: str, error: type[PipelineKitError]) -> None:
    """The engine's and BuildKit's texts become the error that says what to do, without asking anybody."""

    def probe(_: str) -> bool | None:
        pytest.fail("the text says it all")

    assert type(push_error(text, "h/r", probe)) is error


@pytest.mark.parametrize(("answer", "error"), [(True, TransientPush), (None, TransientPush), (False, RegistryRefused)])
def test_text_without_a_meaning(answer: bool | None, error: type[PipelineKitError]) -> None:
    """Where the text says nothing, the registry is asked about the repository."""
    asked: list[str] = []

    def probe(repository: str) -> bool | None:
        asked.append(repository)
        return answer

    assert type(push_error("error from registry: nope", "h/r", probe)) is error
    assert asked == ["h/r"]


@pytest.mark.parametrize(
    ("text", "environ", "message", "hint"),
    [
        (
            "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?",
            {},
            "no Docker Engine answers at unix:///var/run/docker.sock (DOCKER_HOST is not set)",
            "start it",
        ),
        (
            "Cannot connect to the Docker daemon at tcp://h:1. Is the docker daemon running?",
            {"DOCKER_HOST": "tcp://h:1"},
            "no Docker Engine answers at tcp://h:1 (from DOCKER_HOST)",
            "DOCKER_HOST",
        ),
        (
            "permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock: Get",
            {"DOCKER_CONTEXT": "far"},
            "may not talk to the Docker Engine at unix:///var/run/docker.sock (from DOCKER_CONTEXT=far)",
            "group",
        ),
        ("unable to parse docker host `x`", {"DOCKER_HOST": "x"}, "x (from DOCKER_HOST) is not an address", "unix"),
        ('context "x": context not found: open x', {"DOCKER_CONTEXT": "x"}, 'context "x"', "docker context ls"),
    ],
)  # fmt: skip
def test_engine_that_cannot_be_reached(text: str, environ: dict[str, str], message: str, hint: str) -> None:
    """The message names the address and the variable it came from."""
    error = unreachable(text, environ)
    assert message in error.message
    assert hint in (error.hint or "")


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("Cannot connect to the Docker daemon at unix:///x. Is the docker daemon running?", True),
        ("failed to receive status: rpc error: code = Unavailable desc = error reading from server: EOF", True),
        ('process "/bin/sh -c false" did not complete successfully: exit code: 1', False),
        ("failed to push h/r: connection refused", False),
    ],
)  # fmt: skip
def test_what_means_that_the_engine_is_gone(text: str, answer: bool) -> None:
    """A failed build or push is not mistaken for a lost engine."""
    assert is_unreachable(text) is answer


def test_child_environment(tmp_path: Path) -> None:
    """Another docker configuration keeps the user's plugins, builders and context; labels from git are switched off."""
    original, own = tmp_path / "user", tmp_path / "own"
    (original / "cli-plugins").mkdir(parents=True)
    own.mkdir()
    (original / "config.json").write_text('{"currentContext": "far"}')
    environ = {"DOCKER_CONFIG": str(original), "BUILDX_GIT_LABELS": "full", "KEEP": "1"}
    child = child_environment(environ, own)
    assert child["DOCKER_CONFIG"] == str(own)
    assert child["BUILDX_CONFIG"] == str(original / "buildx")
    assert child["DOCKER_CONTEXT"] == "far"
    assert child["KEEP"] == "1"
    assert child["BUILDX_GIT_INFO"] == "false"
    assert "BUILDX_GIT_LABELS" not in child
    assert (own / "cli-plugins").resolve() == original / "cli-plugins"
    assert child_environment(environ, None)["DOCKER_CONFIG"] == str(original)


def _tar(
    files: list[ContextFile], in_context: bytes | None
) -> tuple[dict[str, tarfile.TarInfo], dict[str, bytes], str]:
    stream, name = write_context(files, b"FROM x\n", in_context)
    with stream:
        data = stream.read()
    with tarfile.open(fileobj=io.BytesIO(data), encoding="utf-8", errors="surrogateescape") as archive:
        members = {member.name: member for member in archive.getmembers()}
        bodies = {n: reader.read() for n, m in members.items() if m.isreg() and (reader := archive.extractfile(m))}
    return members, bodies, name


def test_context_holds_what_is_listed(tmp_path: Path) -> None:
    """Names that are not UTF-8 or very long, links, modes and empty directories arrive; owners do not."""
    odd, long = b"a \xff\n b", b"d/" + b"x" * 200
    source = tmp_path / "source"
    source.write_bytes(b"body")
    files = [
        ContextFile(odd, stat.S_IFREG | 0o755, os.fsencode(source)),
        ContextFile(long, stat.S_IFREG | 0o644, os.fsencode(source)),
        ContextFile(b"link", stat.S_IFLNK | 0o777, link=b"../out"),
        ContextFile(b"empty", stat.S_IFDIR | 0o755),
        ContextFile(b".dockerignore", stat.S_IFREG | 0o644, os.fsencode(source)),
    ]
    members, bodies, name = _tar(files, None)
    assert bodies[os.fsdecode(odd)] == bodies[os.fsdecode(long)] == b"body"
    assert members[os.fsdecode(odd)].mode == 0o755
    assert members["link"].linkname == "../out"
    assert members["empty"].isdir()
    assert bodies[name] == b"FROM x\n"
    assert bodies[".dockerignore"] == f".dockerignore\n{name}\n".encode()
    assert {member.uid for member in members.values()} == {0}


def test_dockerfile_that_is_sent_anyway(tmp_path: Path) -> None:
    """A Dockerfile that is among the files stays where it is, and nothing is added."""
    (tmp_path / "Dockerfile").write_bytes(b"FROM x\n")
    files = [ContextFile(b"Dockerfile", stat.S_IFREG | 0o644, os.fsencode(tmp_path / "Dockerfile"))]
    members, _, name = _tar(files, b"Dockerfile")
    assert name == "Dockerfile"
    assert list(members) == ["Dockerfile"]


@pytest.mark.parametrize(
    ("kind", "error"), [("gone", UnreadableFile), ("fifo", ContextChanged), ("link", UnreadableFile)]
)
def test_file_that_is_something_else_by_now(tmp_path: Path, kind: str, error: type[PipelineKitError]) -> None:
    """A listed file that went away, or became a FIFO or a link, ends the build: nothing hangs, nothing is followed."""
    path = tmp_path / "file"
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "link":
        path.symlink_to("/etc/hostname")
    with pytest.raises(error, match="file"):
        write_context([ContextFile(b"file", stat.S_IFREG | 0o644, os.fsencode(path))], b"FROM x\n", None)
