"""From nothing to the first skip: init, plan and build of the example shop, on a real engine and a real registry."""

from __future__ import annotations

import json
import secrets
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import stack
from fakes.main_job import KIT
from fakes.shop_copy import IMAGES, copy_shop

if TYPE_CHECKING:
    from collections.abc import Mapping

pytestmark = [pytest.mark.engine, pytest.mark.registry, pytest.mark.xdist_group("engine")]


@pytest.fixture
def shop(tmp_path: Path, running_stack: stack.Stack) -> Path:
    """The example without its configuration; its base comes from the local registry."""
    stack.seed_base(running_stack.engine, running_stack.registry)
    root = copy_shop(tmp_path / "shop")
    Path(root, "pipeline-kit.yaml").unlink()
    dockerfile = Path(root, "images", "base", "Dockerfile")
    text = dockerfile.read_text(encoding="utf-8")
    dockerfile.write_text(text.replace("=busybox", f"={running_stack.registry}/library/busybox"), encoding="utf-8")
    return root


def kit(root: Path, environment: Mapping[str, str], *words: str) -> str:
    """Run pipeline-kit; what it prints."""
    done = subprocess.run([KIT, *words], cwd=root, env=dict(environment), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def images(printed: str) -> dict[str, Any]:
    """Return the images of printed JSON."""
    found: dict[str, Any] = json.loads(printed)["images"]
    return found


def test_five_commands_from_nothing_to_the_first_skip(
    shop: Path, registry_host: str, engine_env: dict[str, str]
) -> None:
    """What init writes is enough: every image is built upon the right base, and nothing is built again."""
    project = f"init-{secrets.token_hex(4)}"
    assert kit(shop, engine_env, "init", "--registry", registry_host, "--project", project) == "pipeline-kit.yaml\n"
    assert list(images(kit(shop, engine_env, "plan", "--offline", "--json"))) == IMAGES
    built = images(kit(shop, engine_env, "build", "--json"))
    assert {name: image["status"] for name, image in built.items()} == dict.fromkeys(IMAGES, "built")
    again = images(kit(shop, engine_env, "build", "--json"))
    assert {name: image["status"] for name, image in again.items()} == dict.fromkeys(IMAGES, "skipped")
    assert {image["digest"] for image in again.values()} == {image["digest"] for image in built.values()}
    with Path(shop, "services", "web", "site", "index.html").open("a", encoding="utf-8") as page:
        page.write("<!-- changed -->\n")
    changed = images(kit(shop, engine_env, "plan", "--json"))
    assert [name for name, image in changed.items() if image["action"] == "build"] == ["web"]
