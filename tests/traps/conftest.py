"""One scene for every row of the traps table: a real git repository, and a registry in this process."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from fakes.fake_registry import FakeRegistry
from fakes.git_checkout import Checkout
from fakes.trap_scene import TrapScene

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def scene(tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TrapScene]:
    """Give a committed project of one image that copies its whole context, ``app``."""
    config = home / ".gitconfig"
    config.write_text(
        "[user]\nname = Test\nemail = test@example.invalid\n[init]\ndefaultBranch = main\n"
        '[protocol "file"]\nallow = always\n'
    )
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
    root = tmp_path / "repo"
    root.mkdir()
    checkout = Checkout(root)
    checkout.git("init", "--quiet")
    with FakeRegistry() as registry:
        made = TrapScene(checkout, registry)
        made.image()
        made.write({"app/a.txt": "one\n", "app/lib/b.txt": "two\n"})
        checkout.write("app/run.sh", "#!/bin/sh\n", mode=0o755)
        (made.app / "link").symlink_to("a.txt")
        made.commit()
        yield made
