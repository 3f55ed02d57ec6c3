"""A committed project and the registry in this process that it names; output is compared with golden files."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fakes.command_line import Ran, normal, run
from fakes.project_files import config_text, tags, write_files

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fakes.fake_registry import FakeRegistry

GOLDEN = Path(__file__).parents[1] / "cli" / "golden"
IMAGES: dict[str, dict[str, Any]] = {
    "base": {"context": "base"},
    "api": {"context": "api", "contexts": {"base": "image:base"}},
    "web": {"context": "web"},
}


@dataclass(frozen=True, slots=True)
class Shop:
    """A git repository with a configuration, and the registry it names."""

    root: Path
    registry: FakeRegistry
    update: bool

    def write(self, images: Mapping[str, Mapping[str, Any]] = IMAGES, **top: Any) -> None:
        """Write the configuration."""
        text = config_text(images, **{"registry": self.registry.host, **top})
        write_files(self.root, {"pipeline-kit.yaml": text})

    def git(self, *arguments: str) -> None:
        """Run git here."""
        subprocess.run(["git", *arguments], cwd=self.root, check=True, capture_output=True)

    def commit(self) -> None:
        """Commit everything."""
        self.git("add", "--all")
        self.git("-c", "user.name=t", "-c", "user.email=t@example.invalid", "commit", "--quiet", "--message", "x")

    def push(self, *names: str) -> None:
        """Let the registry hold these images (all) under their content tags."""
        for name, tag in tags(self.root).items():
            if not names or name in names:
                self.registry.put_image(f"shop/{name}", tag)
        self.registry.log.clear()

    def run(self, *arguments: str, env: Mapping[str, str] | None = None, **streams: Any) -> Ran:
        """Run pipeline-kit here."""
        return run(self.root, *arguments, env=env, **streams)

    def golden(self, name: str, ran: Ran) -> None:
        """Compare how a command ended with the golden file ``name``."""
        text = f"exit {ran.code}\n--- stdout\n{ran.out}--- stderr\n{ran.err}"
        shown = normal(text, {self.registry.host: "REGISTRY", str(self.root): "ROOT"})
        path = GOLDEN / f"{name}.txt"
        if self.update:
            path.write_text(shown, encoding="utf-8")
        assert shown == path.read_text(encoding="utf-8")
