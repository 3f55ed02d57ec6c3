"""Content tags beside git: ``python benchmarks/tags.py [--files N] [--images N] [--runs N] [--directory DIR]``.

The monorepo is made by ``make_monorepo.py`` unless DIR holds one already. Measured clean, and with 50 files modified
and 500 untracked; each with the peak memory of ``tag`` itself (its git processes apart).
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from make_monorepo import Size, commit, write_tree
from pairs import Command, compare

if TYPE_CHECKING:
    from collections.abc import Iterator

KIT = str(Path(sys.executable).with_name("pipeline-kit"))
MODIFIED = 50
UNTRACKED = 500


def main() -> None:
    """Print the table."""
    arguments = _arguments()
    with tempfile.TemporaryDirectory() as scratch:
        directory = arguments.directory or Path(scratch) / "monorepo"
        if not (directory / ".git").exists():
            directory.mkdir(parents=True)
            write_tree(directory, Size(files=arguments.files, images=arguments.images))
            commit(directory)
        print(f"{arguments.files} files, {arguments.images} images, clean tree")
        _compare(directory, arguments.runs)
        with _dirtied(directory):
            print(f"{MODIFIED} of them modified, {UNTRACKED} untracked beside them")
            _compare(directory, arguments.runs)
        compare(
            Command("pipeline-kit --version", (KIT, "--version"), directory, {}),
            [Command("python -c 'import click'", (sys.executable, "-c", "import click"), directory, {})],
            arguments.runs,
        )


@contextmanager
def _dirtied(directory: Path) -> Iterator[None]:
    """Modify files and add others all over the services, and take both back."""
    sources = sorted((directory / "services").glob("*/src/*/f0000.txt"))
    modified = sources[:: max(1, len(sources) // MODIFIED)][:MODIFIED]
    before = {path: path.read_bytes() for path in modified}
    added = [sources[number % len(sources)].with_name(f"untracked-{number}.txt") for number in range(UNTRACKED)]
    try:
        for path, data in before.items():
            path.write_bytes(data + b"modified\n")
        for path in added:
            path.write_text("untracked\n", encoding="ascii")
        yield
    finally:
        for path, data in before.items():
            path.write_bytes(data)
        for path in added:
            path.unlink()
        subprocess.run(["git", "update-index", "--refresh", "-q"], cwd=directory, check=True)


def _peak(directory: Path) -> int:
    """Return the most memory, in MB, that ``tag`` itself ever held."""
    child = os.posix_spawn(
        KIT,
        [KIT, "-C", str(directory), "tag"],
        os.environ,
        file_actions=[(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)],
    )
    _, _, usage = os.wait4(child, 0)
    return usage.ru_maxrss // 1024


def _compare(directory: Path, runs: int) -> None:
    services = sorted(path.name for path in (directory / "services").iterdir())
    logs = " && ".join(f"git log -1 --format=%h -- services/{name}" for name in services)

    def command(label: str, *words: str) -> Command:
        return Command(label, words, directory, {})

    status = command("git status --porcelain", "git", "--no-optional-locks", "status", "--porcelain")
    log = command(f"git log -1 -- PATH, {len(services)} times", "sh", "-c", logs)
    compare(command("pipeline-kit tag", KIT, "tag"), [status, log], runs)
    compare(command("pipeline-kit plan --offline", KIT, "plan", "--offline"), [status], runs)
    print(f"peak memory of tag: {_peak(directory)} MB")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=100_000)
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--directory", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    main()
