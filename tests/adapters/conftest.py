"""Real git repositories in temporary directories, apart from the developer's own configuration."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Checkout:
    """A directory and the git binary, as a developer uses them."""

    root: Path

    def git(self, *arguments: str, check: bool = True) -> str:
        """Run git here and return its output without the last newline."""
        answer = subprocess.run(["git", *arguments], cwd=self.root, check=False, capture_output=True, text=True)
        if check and answer.returncode:
            pytest.fail(f"git {' '.join(arguments)}: {answer.stderr}")
        return answer.stdout.removesuffix("\n")

    def write(self, path: str | bytes, content: bytes | str = b"x\n", *, mode: int = 0o644) -> Path:
        """Write a file and its parent directories."""
        target = self.root / os.fsdecode(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content.encode() if isinstance(content, str) else content)
        target.chmod(mode)
        return target

    def commit(self, message: str = "change") -> str:
        """Commit everything, also nothing, and return the commit's id."""
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", message)
        return self.git("rev-parse", "HEAD")

    def age(self) -> None:
        """Settle the index: make its stat data old enough to prove that files are clean."""
        for path in self.root.rglob("*"):
            if ".git" not in path.parts and not path.is_dir():
                os.utime(path, (1_500_000_000, 1_500_000_000), follow_symlinks=False)
        self.git("update-index", "-q", "--refresh", check=False)


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
