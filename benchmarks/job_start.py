"""From a job's first step to "nothing to do" with 20 images, beside what docker/bake-action does for the same images.

``python benchmarks/job_start.py [--runs N] [--fresh]``: the very script of actions/build, with the program restored
from a cache as actions/cache does (one archive), installed anew by uv, and installed anew by pip; beside one ``docker
buildx bake --push`` with a registry cache for each image. All on the same engine and registry.

Left out on both sides: checking out, logging in, downloading the actions and the cache's archive. Left out of bake's
alone: setting up a builder. bake finds its layers in the engine's own cache, as no new runner does; with ``--fresh``
that cache is emptied before each of its runs, as on a new runner. (It empties the development engine's build cache.)
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "dev"), str(ROOT / "tests")]

import stack  # noqa: E402 - found by the path above
from fakes.act_runner import copy_library, load_action  # noqa: E402 - likewise
from make_monorepo import Size, commit, libraries_of, write_tree  # noqa: E402 - beside this file
from pairs import Command, compare  # noqa: E402 - likewise

if TYPE_CHECKING:
    from collections.abc import Mapping

IMAGES = 20
FILES = 2000


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--fresh", action="store_true", help="empty the engine's build cache before each bake")
    given = parser.parse_args()
    parts = stack.up()
    with tempfile.TemporaryDirectory() as scratch:
        _measure(Path(scratch), parts, given.runs, fresh=given.fresh)


def _measure(scratch: Path, parts: stack.Stack, runs: int, *, fresh: bool) -> None:
    project = f"start-{secrets.token_hex(4)}"
    repository = scratch / "repository"
    repository.mkdir()
    write_tree(repository, Size(FILES, IMAGES))
    config = repository / "pipeline-kit.yaml"
    text = config.read_text(encoding="utf-8").replace("127.0.0.1:5000", parts.registry)
    config.write_text(text.replace("project: mono", f"project: {project}"), encoding="utf-8")
    commit(repository)
    bake_file = scratch / "bake.json"
    bake_file.write_text(json.dumps(_definition(parts.registry, project)), encoding="utf-8")

    runner = _runner(scratch, copy_library(scratch / "library"), parts.environment())
    step = ("bash", "--noprofile", "--norc", "-e", "-o", "pipefail", str(_script(scratch)))
    temp = runner["RUNNER_TEMP"]
    empty = ("sh", "-c", f'rm -rf "{temp}" && mkdir "{temp}"')
    with_uv = {**runner, "PATH": f"{_only_uv(scratch)}:{runner['PATH']}"}
    subprocess.run(empty, check=True)
    subprocess.run(step, cwd=repository, env=with_uv, check=True, stdout=subprocess.DEVNULL)  # builds all images
    archive = scratch / "cached.tar.gz"
    subprocess.run(["tar", "-C", temp, "-czf", str(archive), "."], check=True)
    restored = ("sh", "-c", f'tar -C "{temp}" -xzf "{archive}" && exec "$@"', "sh", *step)

    bake = ("docker", "buildx", "bake", "-f", str(bake_file), "--push", "--progress", "quiet")
    prune = ("docker", "buildx", "prune", "--all", "--force") if fresh else ()
    state = "an empty engine" if fresh else "layers in the engine"
    compare(
        Command("actions/build, install cached", restored, repository, runner, empty),
        [
            Command("actions/build, installed with uv", step, repository, with_uv, empty),
            Command("actions/build, installed with pip", step, repository, runner, empty),
            Command(f"bake --push, {state}", bake, repository, runner, prune),
        ],
        runs,
    )


def _script(scratch: Path) -> Path:
    """Write the build action's one step as the runner does; return the file."""
    (step,) = load_action("build")["runs"]["steps"]
    path = scratch / "step.sh"
    path.write_text(step["run"], encoding="utf-8")
    return path


def _runner(scratch: Path, library: Path, engine: Mapping[str, str]) -> dict[str, str]:
    """Return the environment in which a runner starts the step, every input at its default."""
    action = load_action("build")
    values = {f"inputs.{name}": str(entry.get("default", "")) for name, entry in action["inputs"].items()}
    (step,) = action["runs"]["steps"]
    inputs = {name: values.get(str(value).strip("${} "), "") for name, value in step["env"].items()}
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PIPELINE_KIT_", "GITHUB_"))}
    folders = [path for path in kept["PATH"].split(os.pathsep) if Path(path) != Path(sys.executable).parent]
    output, summary = scratch / "output", scratch / "summary"
    return {
        **kept,
        **engine,
        **inputs,
        "PATH": os.pathsep.join(folders),
        "PIP_NO_CACHE_DIR": "1",  # a new runner has downloaded nothing
        "UV_NO_CACHE": "1",
        "PK_PYTHON": f"{sys.base_prefix}/bin/python3",
        "GITHUB_ACTION_PATH": str(library / "actions" / "build"),
        "GITHUB_ACTIONS": "true",
        "GITHUB_EVENT_NAME": "push",
        "GITHUB_REF": "refs/heads/main",
        "GITHUB_SHA": "1" * 40,
        "GITHUB_OUTPUT": str(output),
        "GITHUB_STEP_SUMMARY": str(summary),
        "RUNNER_TEMP": str(scratch / "temp"),
    }


def _only_uv(scratch: Path) -> Path:
    """Return a folder that holds uv and nothing else of this environment."""
    folder = scratch / "uv"
    folder.mkdir()
    shutil.copy(Path(sys.executable).with_name("uv"), folder)
    return folder


def _definition(registry: str, project: str) -> dict[str, object]:
    """Return a bake file for the same images, each with a cache of its own in the registry, as for bake-action."""
    targets: dict[str, dict[str, object]] = {}
    for image in range(IMAGES):
        name = f"svc-{image:04d}"
        cache = f"type=registry,ref={registry}/{project}-bake/{name}:cache"
        targets[name] = {
            "context": f"services/{name}",
            "contexts": {library: f"libs/{library}" for library in libraries_of(image)},
            "tags": [f"{registry}/{project}-bake/{name}:latest"],
            "cache-from": [cache],
            "cache-to": [f"{cache},mode=max"],
        }
    return {"group": {"default": {"targets": list(targets)}}, "target": targets}


if __name__ == "__main__":
    main()
