"""Judge workflow and action files by linters that nobody here wrote: check-jsonschema, zizmor, actionlint.

python3 dev/lint_workflows.py

What they may not find, and why, stands in .github/zizmor.yml and beside the lines; of the others nothing is ignored.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
_BIN = Path(sys.executable).parent


def main() -> int:
    """Return 1 when a linter finds something, after all of them have run; 0 otherwise."""
    own = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
    examples = sorted((ROOT / "examples" / "workflows").glob("*.yml"))
    actions = sorted((ROOT / "actions").glob("*/action.yml"))
    pedantic = ["zizmor", "--quiet", "--offline", "--persona=pedantic", "--config", ".github/zizmor.yml"]
    codes = [
        _run(["check-jsonschema", "--builtin-schema", "vendor.github-workflows"], [*own, *examples]),
        _run(["check-jsonschema", "--builtin-schema", "vendor.github-actions"], actions),
        _run(pedantic, [*own, *examples, *actions]),
        _run(["actionlint"], own),
        _lint_examples(examples),
    ]
    return int(any(codes))


def _lint_examples(examples: list[Path]) -> int:
    """Run actionlint on the examples as the workflows of one repository, where they find one another."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / ".github" / "workflows"
        folder.mkdir(parents=True)
        (Path(place) / ".git").mkdir()  # that is how it knows a repository
        return _run(["actionlint"], [Path(shutil.copy(path, folder)) for path in examples], place=Path(place))


def _run(words: list[str], files: list[Path], *, place: Path = ROOT) -> int:
    return subprocess.run([str(_BIN / words[0]), *words[1:], *map(str, files)], cwd=place, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
