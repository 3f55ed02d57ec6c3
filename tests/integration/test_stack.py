"""The development stack: its engine and registry are real and behave as the other integration tests expect."""

from __future__ import annotations

import base64
import http
import urllib.error
import urllib.request
from typing import TYPE_CHECKING

import pytest
import stack
import stack_debian

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.engine, pytest.mark.registry]

_STANZA = "Types: deb\nURIs: http://index.invalid/debian\nSuites: bookworm bookworm-updates other\nComponents: main\n"


@pytest.fixture(scope="module")
def running() -> stack.Stack:
    """Return the stack, started if it does not run; it is left running for the next test run."""
    return stack.up()


def _status(host: str, login: str | None = None) -> int:
    request = urllib.request.Request(f"http://{host}/v2/")
    if login is not None:
        request.add_header("Authorization", "Basic " + base64.b64encode(login.encode()).decode())
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=5) as response:
            status: int = response.status
            return status
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def test_engine_answers(running: stack.Stack) -> None:
    """The engine tells its version and has one of the two image stores."""
    version = stack.run_docker(running.engine, ["version", "--format", "{{.Server.Version}}"])
    assert version.strip()
    assert running.engine.image_store() in {"containerd", "classic"}


def test_buildx_is_a_plugin_of_the_client(running: stack.Stack) -> None:
    """`docker buildx version` answers with the plugin's own name."""
    assert "docker/buildx" in stack.run_docker(running.engine, ["buildx", "version"])


def test_registry_is_open(running: stack.Stack) -> None:
    """GET /v2/ answers 200 without a login, on loopback."""
    assert running.registry.startswith("127.0.0.1:")
    assert stack.version_check(running.registry) == http.HTTPStatus.OK


def test_up_twice_is_the_same_stack(running: stack.Stack) -> None:
    """A second `up` finds what runs and starts nothing else."""
    assert stack.up() == running


def test_base_image_moves_with_its_version(running: stack.Stack, tmp_path: Path) -> None:
    """Seeding is idempotent; another version under the same tag has another digest."""
    with stack.running_registry(tmp_path / "registry") as registry:
        first = stack.seed_base(running.engine, registry.host)
        assert stack.seed_base(running.engine, registry.host) == first
        second = stack.seed_base(running.engine, registry.host, version="2", replace=True)
        assert second != first
        assert stack.manifest_digest(registry.host, "library/busybox", "1.36") == second
        assert stack.manifest_digest(registry.host, "library/busybox", "absent") is None
    assert stack.version_check(registry.host) == 0


def test_registry_with_passwords(tmp_path: Path) -> None:
    """A registry with users wants a login and knows a right one from a wrong one."""
    with stack.running_registry(tmp_path, stack.RegistryConfig(users={"ann": "right"})) as registry:
        assert _status(registry.host) == http.HTTPStatus.UNAUTHORIZED
        assert _status(registry.host, "ann:wrong") == http.HTTPStatus.UNAUTHORIZED
        assert _status(registry.host, "ann:right") == http.HTTPStatus.OK


def test_sources_of_another_suite_are_derived() -> None:
    """Only the suites of the machine's own release are carried over, in both of apt's formats."""
    assert "Suites: trixie trixie-updates\n" in stack_debian.derive_stanzas(_STANZA, "bookworm", "trixie")
    lines = "# deb x bookworm main\ndeb [a=b] http://index.invalid/d bookworm-security main\ndeb x bookworm-pgdg main\n"
    assert stack_debian.derive_lines(lines, "bookworm", "trixie") == (
        "deb [a=b] http://index.invalid/d trixie-security main\n"
    )
