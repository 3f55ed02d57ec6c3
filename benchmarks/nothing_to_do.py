"""A build with nothing to do, beside one ``docker buildx bake`` of the same images, all of them cached.

``python benchmarks/nothing_to_do.py [--runs N]``: copies examples/shop, builds it, and times what follows.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "dev"), str(ROOT / "tests")]

import stack  # noqa: E402 - found by the path above
from fakes.shop_copy import copy_shop  # noqa: E402 - likewise
from pairs import Command, compare  # noqa: E402 - beside this file


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    runs = parser.parse_args().runs
    parts = stack.up()
    base = f"{parts.registry}/library/busybox:1.36"
    stack.seed_base(parts.engine, parts.registry)
    environment = {**parts.environment(), "REGISTRY": parts.registry, "BASE_IMAGE": base}
    kit = str(Path(sys.executable).with_name("pipeline-kit"))
    with tempfile.TemporaryDirectory() as scratch:
        shop = copy_shop(Path(scratch) / "shop")
        subprocess.run([kit, "-q", "build"], cwd=shop, env={**os.environ, **environment}, check=True)
        bake_file = Path(scratch) / "bake.json"
        bake_file.write_text(json.dumps(_definition(base, parts.registry)), encoding="utf-8")
        bake = ("docker", "buildx", "bake", "-f", str(bake_file), "--progress", "quiet")
        compare(
            Command("pipeline-kit build, nothing to do", (kit, "build"), shop, environment),
            [
                Command("docker buildx bake, cached", bake, shop, environment),
                Command("docker buildx bake --push, cached", (*bake, "--push"), shop, environment),
            ],
            runs,
        )


def _definition(base: str, registry: str) -> dict[str, object]:
    """Return a bake file for the shop, as its author would write it without pipeline-kit."""
    on_base = {"contexts": {"base": "target:base"}}
    targets: dict[str, dict[str, object]] = {
        "base": {"context": "images/base", "args": {"BASE_IMAGE": base}},
        "api": {"context": "services/api", "target": "runtime", **on_base},
        "web": {"context": "services/web", **on_base},
        "worker": {"context": ".", "dockerfile": "services/worker/Dockerfile", **on_base},
    }
    for name, target in targets.items():
        target["tags"] = [f"{registry}/bake/{name}:latest"]
    return {"group": {"default": {"targets": list(targets)}}, "target": targets}


if __name__ == "__main__":
    main()
