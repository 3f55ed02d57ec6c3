"""Promotion of a 200 MB image beside ``crane copy``, and aliases of 20 images beside a ``crane tag`` loop.

``python benchmarks/promotion.py [--runs N] [--megabytes N]``: two real registries on loopback; the 40 ms rows go
through a proxy that adds a round trip. Every promotion goes to repositories that are new.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import os
import secrets
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "dev"), str(ROOT / "tests")]

import witnesses  # noqa: E402 - found by the path above
from delay import delayed  # noqa: E402 - beside this file
from pairs import AS_INSTALLED  # noqa: E402 - beside this file
from stack_registry import running_registry  # noqa: E402 - found by the path above

from pipeline_kit import content_tags  # noqa: E402 - likewise
from pipeline_kit.adapters.registry.content import ContentClient  # noqa: E402 - likewise
from pipeline_kit.manifest import OCI_MANIFEST, Descriptor, Manifest  # noqa: E402 - likewise
from pipeline_kit.reference import Reference  # noqa: E402 - likewise

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

KIT = str(Path(sys.executable).with_name("pipeline-kit"))
ROUND_TRIP = 40.0
LAYERS = 5
ALIASED = 20
_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
_MEASURED = """
import os, sys
pid = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ)
_, status, usage = os.wait4(pid, 0)
print(usage.ru_maxrss, file=sys.stderr)
sys.exit(os.waitstatus_to_exitcode(status))
"""
_CONFIG = "application/vnd.oci.image.config.v1+json"


@dataclass(slots=True)
class Row:
    """One comparison: times of ours and of the peer in the same rounds."""

    label: str
    bar: float
    ours: list[float] = field(default_factory=list)
    peer: list[float] = field(default_factory=list)

    def text(self) -> str:
        """Return the row of the table."""
        ratio = statistics.median(mine / other for mine, other in zip(self.ours, self.peer, strict=True))
        mine, other = statistics.median(self.ours) * 1000, statistics.median(self.peer) * 1000
        told = "met" if ratio <= self.bar else "NOT met"
        return f"{self.label:<52} {mine:8.0f} ms  crane {other:8.0f} ms  ratio {ratio:5.2f}  bar {self.bar:4.2f} {told}"


def put_image(client: ContentClient, tagged: Reference, layers: int, size: int) -> None:
    """Push an image of random layers of ``size`` bytes each."""
    found = [_put_blob(client, tagged, _LAYER, secrets.token_bytes(size)) for _ in range(layers)]
    config = _put_blob(client, tagged, _CONFIG, json.dumps({"os": "linux", "architecture": "amd64"}).encode())
    document = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": found}
    client.put_manifest(tagged, Manifest(OCI_MANIFEST, json.dumps(document).encode()))


def _put_blob(client: ContentClient, tagged: Reference, media_type: str, data: bytes) -> dict[str, object]:
    digest = f"sha256:{hashlib.sha256(data).hexdigest()}"

    def source(offset: int) -> Iterator[bytes]:
        yield data[offset:]

    client.write_blob(tagged, Descriptor(media_type, digest, len(data)), source)
    return {"mediaType": media_type, "digest": digest, "size": len(data)}


def write_project(root: Path, host: str, names: Sequence[str]) -> None:
    """Write and commit a project of small images, whose registry is ``host``."""
    for name in names:
        (root / name).mkdir(parents=True, exist_ok=True)
        (root / name / "Dockerfile").write_text("FROM scratch\nCOPY . /\n", encoding="utf-8")
        (root / name / "app").write_text(name, encoding="utf-8")
    point(root, host, names)
    git = ["git", "-c", "user.name=b", "-c", "user.email=b@example.invalid"]
    subprocess.run([*git, "init", "-q"], cwd=root, check=True)
    subprocess.run([*git, "add", "-A"], cwd=root, check=True)
    subprocess.run([*git, "commit", "-qm", "one"], cwd=root, check=True)


def point(root: Path, host: str, names: Sequence[str]) -> None:
    """Write the configuration for a registry; tags do not depend on it."""
    images = {name: {"context": name} for name in names}
    text = json.dumps({"version": 1, "project": "shop", "registry": host, "images": images}, indent=1)
    (root / "pipeline-kit.yaml").write_text(text, encoding="utf-8")


def seconds(words: Sequence[str], directory: Path) -> float:
    """Return the wall-clock seconds of a command that succeeds."""
    began = time.perf_counter()
    quiet = subprocess.DEVNULL
    subprocess.run(words, cwd=directory, env=AS_INSTALLED, check=True, stdout=quiet, stderr=quiet)
    return time.perf_counter() - began


def compare(row: Row, runs: int, ours: Callable[[], float], peer: Callable[[], float]) -> Row:
    """Run both in turn, once to warm up and ``runs`` times counted."""
    ours()
    peer()
    for _ in range(runs):
        row.ours.append(ours())
        row.peer.append(peer())
    print(row.text(), flush=True)
    return row


def promotions(root: Path, source: str, target: str, tag: str, label: str, bar: float, runs: int) -> None:
    """Compare promotions from ``source`` to new repositories of ``target``."""
    crane = str(witnesses.crane())
    point(root, source, ["big"])

    def ours() -> float:
        return seconds([KIT, "-q", "promote", "big", "--to", f"{target}/p{secrets.token_hex(6)}"], root)

    def peer() -> float:
        new = f"{target}/c{secrets.token_hex(6)}/big:{tag}"
        return seconds([crane, "copy", f"{source}/shop/big:{tag}", new], root)

    compare(Row(label, bar), runs, ours, peer)


def account(root: Path, source: str, target: str) -> None:
    """Print what one promotion moved, and the most memory it took."""
    point(root, source, ["big"])
    words = [KIT, "promote", "--json", "big", "--to", f"{target}/m{secrets.token_hex(6)}"]
    # A process of its own waits for it, for the most memory of a child includes what its parent had when it forked.
    done = subprocess.run(
        [sys.executable, "-c", _MEASURED, *words], cwd=root, check=True, capture_output=True, text=True
    )
    document, most = json.loads(done.stdout), int(done.stderr.splitlines()[-1]) // 1024
    big = document["images"]["big"]
    print(f"    {big['blobs']}, {big['bytes']} bytes sent, {document['requests']} requests, {most} MB")


def aliases(
    root: Path, host: str, names: Sequence[str], tags: dict[str, str], label: str, bar: float, runs: int
) -> None:
    """Compare a new alias for every image."""
    crane = str(witnesses.crane())
    point(root, host, names)

    def ours() -> float:
        return seconds([KIT, "-q", "alias", "--all", f"a{secrets.token_hex(6)}"], root)

    def peer() -> float:
        alias = f"c{secrets.token_hex(6)}"
        loop = "; ".join(f"{crane} tag {host}/shop/{name}:{tags[name]} {alias}" for name in names)
        return seconds(["sh", "-ec", loop], root)

    compare(Row(label, bar), runs, ours, peer)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--megabytes", type=int, default=200)
    options = parser.parse_args()
    runs = options.runs
    names = [f"svc{number:02d}" for number in range(ALIASED)]
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        with running_registry(place / "one") as one, running_registry(place / "two") as two:
            big, small = place / "big", place / "small"
            write_project(big, one.host, ["big"])
            write_project(small, one.host, names)
            client = ContentClient(environment={})
            tag = content_tags(big, environ=os.environ)["big"]
            size = options.megabytes * 1_000_000 // LAYERS
            put_image(client, Reference(one.host, "shop/big", tag), LAYERS, size)
            tags = content_tags(small, environ=os.environ)
            for name in names:
                put_image(client, Reference(one.host, f"shop/{name}", tags[name]), 1, 1000)
            _measure(big, small, one.host, two.host, tag, names, tags, runs)


def _measure(
    big: Path, small: Path, one: str, two: str, tag: str, names: Sequence[str], tags: dict[str, str], runs: int
) -> None:
    promotions(big, one, one, tag, "promote, one registry, loopback (no bar)", math.inf, runs)
    account(big, one, one)
    with delayed(one, ROUND_TRIP) as far:
        promotions(big, far, far, tag, "promote, one registry, 40 ms", 0.7, runs)
    promotions(big, one, two, tag, "promote, two registries, loopback", 1.25, runs)
    account(big, one, two)
    with delayed(one, ROUND_TRIP) as far, delayed(two, ROUND_TRIP) as further:
        promotions(big, far, further, tag, "promote, two registries, 40 ms", 1.25, runs)
    aliases(small, one, names, tags, "alias of 20 images, loopback", 0.8, runs)
    with delayed(one, ROUND_TRIP) as far:
        aliases(small, far, names, tags, "alias of 20 images, 40 ms", 0.1, runs)


if __name__ == "__main__":
    main()
