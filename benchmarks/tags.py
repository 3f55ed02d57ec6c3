"""Content tags beside git: ``python benchmarks/tags.py [--files N] [--images N] [--runs N] [--directory DIR]``.

The monorepo is made by ``make_monorepo.py`` unless DIR holds one already.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from make_monorepo import Size, commit, write_tree
from pairs import Command, compare


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


def _compare(directory: Path, runs: int) -> None:
    kit = str(Path(sys.executable).with_name("pipeline-kit"))
    services = sorted(path.name for path in (directory / "services").iterdir())
    logs = " && ".join(f"git log -1 --format=%h -- services/{name}" for name in services)

    def command(label: str, *words: str) -> Command:
        return Command(label, words, directory, {})

    status = command("git status --porcelain", "git", "--no-optional-locks", "status", "--porcelain")
    log = command(f"git log -1 -- PATH, {len(services)} times", "sh", "-c", logs)
    compare(command("pipeline-kit tag", kit, "tag"), [status, log], runs)
    compare(command("pipeline-kit plan --offline", kit, "plan", "--offline"), [status], runs)
    compare(
        command("pipeline-kit --version", kit, "--version"),
        [command("python -c 'import click'", sys.executable, "-c", "import click")],
        runs,
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=100_000)
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--directory", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    main()
