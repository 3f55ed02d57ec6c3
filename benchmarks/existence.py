"""Ask a registry whether 200 tags of 200 repositories exist, beside the clients of the field, and count requests.

``python benchmarks/existence.py [--runs N] [--tags N] [--slow]``: fills a registry of its own, then times whole
processes in turn, on loopback and through a proxy that adds a 40 ms round trip. Ours is a small script that calls the
client as ``pipeline-kit plan`` does (``observe_all``), start-up included; the floor is raw HTTP, pipelined on one
connection. Crane's sequential loop takes 40 s at 40 ms and runs there only with ``--slow``.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "dev"), str(ROOT / "tests")]

import stack  # noqa: E402 - found by the path above
import witnesses  # noqa: E402 - likewise
from delay import delayed  # noqa: E402 - beside this file
from fakes.fake_registry import FakeRegistry, digest_of  # noqa: E402 - found by the path above
from fakes.real_registry import content_client_for  # noqa: E402 - likewise
from pairs import Command, compare  # noqa: E402 - beside this file

from pipeline_kit.adapters.registry.content import ContentClient  # noqa: E402 - after the path, to stand together
from pipeline_kit.manifest import OCI_MANIFEST, Descriptor, Manifest  # noqa: E402 - likewise
from pipeline_kit.plan import Verdict  # noqa: E402 - likewise
from pipeline_kit.reference import Reference  # noqa: E402 - likewise

if TYPE_CHECKING:
    from collections.abc import Iterator

TAG = "src-0123456789abcdef01234567"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"
USERS = {"builder": "secret"}
ROUND_TRIP_MS = 40

OURS = """
import gc, os, sys
gc.set_threshold(100_000)  # this and the way it ends are the command line's (pipeline_kit/cli/entry.py)
from pathlib import Path
from pipeline_kit.adapters.registry.content import ContentClient
from pipeline_kit.reference import parse_reference
references = [parse_reference(line) for line in Path(sys.argv[1]).read_text().split()]
client = ContentClient()
answers = client.observe_all(references)
client.close()
os._exit(any(answer.verdict != "present" for answer in answers))
"""

FLOOR = """
import socket, sys
from pathlib import Path
lines = Path(sys.argv[1]).read_text().split()
host, _, _ = lines[0].partition("/")
accept = "application/vnd.oci.image.index.v1+json, application/vnd.docker.distribution.manifest.list.v2+json, "
accept += "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json"
def ask(line):
    repository, _, tag = line.partition("/")[2].rpartition(":")
    return f"HEAD /v2/{repository}/manifests/{tag} HTTP/1.1\\r\\nHost: {host}\\r\\nAccept: {accept}\\r\\n\\r\\n"
with socket.create_connection(host.split(":")) as sock:
    sock.sendall("".join(map(ask, lines)).encode())
    data = b""
    while data.count(b"HTTP/1.1 200 OK") < len(lines) or not data.endswith(b"\\r\\n\\r\\n"):
        data += sock.recv(65536)
"""


def main() -> None:
    """Print the tables and the counts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--tags", type=int, default=200)
    parser.add_argument("--slow", action="store_true")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch, stack.running_registry(Path(scratch) / "registry") as running:
        folder = Path(scratch)
        fill(running.host, chosen.tags)
        print(f"{chosen.tags} tags on loopback")
        measure(folder, running.host, chosen.tags, chosen.runs, has_loops=True)
        with delayed(running.host, ROUND_TRIP_MS) as slow:
            print(f"{chosen.tags} tags, {ROUND_TRIP_MS} ms round trip")
            measure(folder, slow, chosen.tags, chosen.runs, has_loops=chosen.slow)
    count(chosen.tags)


def fill(host: str, tags: int) -> None:
    """Put one small image into each repository."""
    layer = b"{}"
    rootfs = {"type": "layers", "diff_ids": [digest_of(layer)]}
    config = json.dumps({"os": "linux", "architecture": "amd64", "config": {}, "rootfs": rootfs}).encode()
    blobs = [Descriptor(kind, digest_of(data), len(data)) for kind, data in ((CONFIG, config), (LAYER, layer))]
    shown = [{"mediaType": blob.media_type, "digest": blob.digest, "size": blob.size} for blob in blobs]
    document = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": shown[0], "layers": shown[1:]}
    manifest = Manifest(OCI_MANIFEST, json.dumps(document).encode())
    client = ContentClient(environment={})
    for number in range(tags):
        reference = Reference(host, f"kit/image-{number:03}", TAG)
        for blob, data in zip(blobs, (config, layer), strict=True):
            client.write_blob(reference, blob, partial(_once, data), mount_from=["kit/image-000"])
        client.put_manifest(reference, manifest, is_asked=True)
    client.close()


def _once(data: bytes, offset: int) -> Iterator[bytes]:
    yield data[offset:]


def measure(folder: Path, host: str, tags: int, runs: int, *, has_loops: bool) -> None:
    """Time the registry at ``host``; the sequential loops only where ``has_loops`` is true."""
    lines = [f"{host}/kit/image-{number:03}:{TAG}" for number in range(tags)]
    refs, docker = "\n".join(lines), "\n".join(f"docker://{line}" for line in lines)
    for name, text in (("refs", f"{refs}\n"), ("docker", f"{docker}\n"), ("ours.py", OURS), ("floor.py", FLOOR)):
        (folder / name).write_text(text, encoding="utf-8")
    crane, skopeo = shlex.quote(str(witnesses.crane())), shlex.quote(str(witnesses.skopeo()))
    inspect = f"{skopeo} inspect --no-tags --tls-verify=false"
    loops = [
        ("crane digest, one after the other", f"while read -r r; do {crane} digest $r; done < refs"),
        ("skopeo inspect, one after the other", f"while read -r r; do {inspect} $r || exit; done < docker"),
    ]
    shells = [("xargs -P32 crane digest", f"xargs -n1 -P32 {crane} digest < refs"), *(loops if has_loops else [])]
    environment = {"DOCKER_CONFIG": str(folder / "no-config")}
    compare(
        Command("pipeline-kit's client", (sys.executable, "ours.py", "refs"), folder, environment),
        [
            Command("the floor: raw HTTP, pipelined", (sys.executable, "floor.py", "refs"), folder, environment),
            *(Command(label, ("sh", "-ec", script), folder, environment) for label, script in shells),
        ],
        runs,
    )


def count(tags: int) -> None:
    """Print how many requests a check takes: with no login, with Basic, with tokens."""
    for label, users, has_tokens in (("open", {}, False), ("basic", USERS, False), ("tokens", USERS, True)):
        with FakeRegistry(users=users, token=has_tokens) as registry, tempfile.TemporaryDirectory() as folder:
            references = [Reference(registry.host, f"kit/image-{number:03}", TAG) for number in range(tags)]
            for reference in references:
                registry.put_image(reference.repository, TAG)
            client = content_client_for(registry, Path(folder))
            answers = client.observe_all(references)
            client.close()
            if any(answer.verdict is not Verdict.PRESENT for answer in answers):
                raise SystemExit(f"not everything is there: {answers}")
            token_requests = len(registry.requests("GET", "^/token"))
            print(
                f"{label:<7} {len(registry.log)} requests for {tags} tags ({token_requests} for tokens), "
                f"{registry.connections} connections"
            )


if __name__ == "__main__":
    main()
