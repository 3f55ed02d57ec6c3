"""A copy of examples/shop in a git repository of its own, whose images no registry has seen."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
IMAGES = ["base", "api", "web", "worker"]

_VENV = """import pathlib, runpy, sys
if sys.argv[1:3] == ["-m", "venv"]:
    import venv
    place = pathlib.Path(sys.argv[3])
    venv.create(place, with_pip=True)
    found = next(place.glob("lib/python*/site-packages"))
    (found / "tested.pth").write_text({packages!r} + "\\n", encoding="utf-8")
else:
    raise SystemExit(f"only -m venv is expected, not {{sys.argv[1:]}}")
"""


def copy_shop(directory: Path) -> Path:
    """Copy the shop to ``directory``, make its base new to every registry, and commit it; return the directory."""
    shutil.copytree(ROOT / "examples" / "shop", directory)
    with (directory / "images" / "base" / "log.sh").open("a", encoding="utf-8") as file:
        file.write(f"# {secrets.token_hex(8)}\n")
    environment = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    who = ["-c", "user.name=test", "-c", "user.email=test@example.invalid"]
    for words in (
        ["init", "--quiet", "--initial-branch=main"],
        ["add", "--all"],
        [*who, "commit", "--quiet", "-m", "shop"],
    ):
        subprocess.run(["git", *words], cwd=directory, env=environment, check=True)
    return directory


def offline_python(directory: Path) -> Path:
    """Write ``directory/python3``, whose ``-m venv`` makes environments that see this one's packages; return it.

    With :data:`OFFLINE_PIP` an installation then does everything but download.
    """
    directory.mkdir()
    code = directory / "make_venv.py"
    code.write_text(_VENV.format(packages=sysconfig.get_path("purelib")), encoding="utf-8")
    program = directory / "python3"
    base = Path(sys.base_prefix) / "bin" / f"python{sys.version_info.major}.{sys.version_info.minor}"
    program.write_text(f'#!/bin/sh\nexec "{base}" "{code}" "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    return program


OFFLINE_PIP = {"PIP_NO_INDEX": "1", "PIP_NO_DEPS": "1", "PIP_NO_BUILD_ISOLATION": "0", "PIP_CONFIG_FILE": os.devnull}
"""pip neither asks an index nor isolates the build (pip reads 0 there as "no isolation")."""
