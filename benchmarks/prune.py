"""Prune at 10,000 images: the decision's time, and the listing's time and requests, in this process.

Run: .venv/bin/python benchmarks/prune.py
"""

from __future__ import annotations

import random
import re
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from typing import TYPE_CHECKING

from fakes.memory_registry import MemoryRegistry

from pipeline_kit.execute.image_store import RegistryImages
from pipeline_kit.reference import Reference
from pipeline_kit.retention import Rules, StoredImage, Uses, decide, deletion_waves

if TYPE_CHECKING:
    from pipeline_kit.manifest import Descriptor

IMAGES = 10_000
NOW = 1.8e9
CONTENT = re.compile(r"[0-9a-f]{40}")


def history() -> list[StoredImage]:
    """Return 2,500 indexes, each with two platforms and a record."""
    found = []
    for number in range(IMAGES // 4):
        root, first, second, record = (f"sha256:{number * 4 + part:064x}" for part in range(4))
        age = random.Random(number).uniform(0, 500) * 86_400  # noqa: S311 - the same history every time
        found.append(StoredImage(root, (f"{number:040x}",), NOW - age, (first, second)))
        found += [StoredImage(first), StoredImage(second), StoredImage(record, subject=root)]
    return found


class _Quick(MemoryRegistry):
    """Finds no referrers, at once: the double's own search is quadratic."""

    def referrers(self, subject: Reference, artifact_type: str | None = None) -> tuple[Descriptor, ...]:
        """Return nothing."""
        del artifact_type
        self._called("referrers", subject)
        return ()


def main() -> None:
    """Print the figures."""
    images = history()
    uses = Uses({images[number * 4].digest: "task" for number in range(0, 2_500, 50)})
    started = time.perf_counter()
    decided = decide(images, uses, Rules(CONTENT, 20, 30 * 86_400), NOW)
    waves = deletion_waves(decided)
    took = time.perf_counter() - started
    going = sum(map(len, waves))
    print(f"decision: {len(images)} images in {took:.2f} s, {going} go in {len(waves)} waves")
    registry = _Quick()
    repository = Reference("r.example", "shop/web")
    for number in range(IMAGES // 4):
        registry.put_image(
            repository.with_tag(f"{number:040x}"), content=str(number), platforms=("linux/amd64", "linux/arm64")
        )
    registry.calls.clear()
    started = time.perf_counter()
    listed = RegistryImages(registry, CONTENT).images(repository)
    took = time.perf_counter() - started
    asked = len(registry.calls)
    print(f"listing: {len(listed)} manifests under {IMAGES // 4} tags, {asked} requests, {took:.2f} s of our own")


if __name__ == "__main__":
    main()
