"""A real git repository, used as a developer uses it."""

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
