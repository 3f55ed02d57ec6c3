"""Real git repositories in temporary directories, apart from the developer's own configuration."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
import stack
from fakes.git_checkout import Checkout
from fakes.real_registry import USERS, RealRegistry
from fakes.registry_profiles import NAMES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from fakes.registry_profile import Profile
    from fakes.registry_scene import RegistryScene


@pytest.fixture
def git_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give git a home of its own: a name, a default branch, nothing else; return that directory."""
    home = tmp_path_factory.mktemp("home")
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    config = home / ".gitconfig"
    config.write_text("[user]\nname = Test\nemail = test@example.invalid\n[init]\ndefaultBranch = main\n")
    with config.open("a") as stream:
        stream.write('[protocol "file"]\nallow = always\n[commit]\ngpgsign = false\n')
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / "xdg"))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    return home


@pytest.fixture
def checkout(tmp_path: Path, git_home: Path) -> Checkout:
    """Return an empty repository with a branch ``main`` and no commit."""
    root = tmp_path / "repo"
    root.mkdir()
    made = Checkout(root)
    made.git("init", "--quiet")
    return made


@pytest.fixture
def populated(checkout: Checkout) -> Checkout:
    """Return a repository with one commit of ordinary things: files, an executable, links, two services."""
    checkout.write("Dockerfile", "FROM scratch\n")
    checkout.write("services/api/app.py", "print(1)\n")
    checkout.write("services/api/run.sh", "#!/bin/sh\n", mode=0o755)
    checkout.write("services/web/index.html", "<p>\n")
    (checkout.root / "services/web/app").symlink_to("../api")
    (checkout.root / "services/web/gone").symlink_to("nowhere")
    checkout.commit("first")
    return checkout


@pytest.fixture(scope="module")
def aws_endpoint() -> Iterator[str]:
    """Run AWS as moto makes it, on loopback."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(scope="module")
def real_open(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealRegistry]:
    """Run the real registry without a login."""
    with stack.running_registry(tmp_path_factory.mktemp("open")) as running:
        yield RealRegistry(running.host)


@pytest.fixture(scope="module")
def real_login(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealRegistry]:
    """Run the real registry with htpasswd."""
    config = stack.RegistryConfig(users=USERS)
    with stack.running_registry(tmp_path_factory.mktemp("login"), config) as running:
        yield RealRegistry(running.host, USERS)


@pytest.fixture(scope="module")
def field_registries(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[Profile], RealRegistry]]:
    """Run the real registries that stand behind the fronts of ``scene``."""
    from fakes.registry_scene import upstreams

    with upstreams(tmp_path_factory.mktemp("registries")) as running:
        yield running


@pytest.fixture(params=list(NAMES))
def scene(
    request: pytest.FixtureRequest, field_registries: Callable[[Profile], RealRegistry], tmp_path: Path
) -> Iterator[RegistryScene]:
    """Give a scene before each registry of the field in turn."""
    from fakes.registry_scene import scene_of

    with scene_of(NAMES[request.param], field_registries, tmp_path, request.node.name) as scene:
        yield scene
