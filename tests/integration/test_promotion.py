"""Promotion, aliases and joining between real registries, read back by clients that no one here wrote."""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest
import witnesses
from fakes.command_line import Ran, run
from fakes.fault_proxy import FaultProxy
from fakes.project_files import config_text, tags, write_files
from fakes.real_registry import RealRegistry
from stack_registry import running_registry

from pipeline_kit.adapters.registry.content import ContentClient
from pipeline_kit.manifest import OCI_MANIFEST, Manifest
from pipeline_kit.reference import Reference

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

pytestmark = [pytest.mark.registry]
PLATFORMS = ["linux/amd64", "linux/arm64"]
SBOM = "application/spdx+json"
_KIT = [sys.executable, "-m", "pipeline_kit"]


@pytest.fixture(scope="session")
def other_host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Give a second registry, with nothing in it."""
    with running_registry(tmp_path_factory.mktemp("other-registry")) as registry:
        yield registry.host


@pytest.fixture(scope="session", autouse=True)
def _clients() -> None:
    """Obtain the other clients while the home directory is the machine's."""
    for name in ("crane", "skopeo", "oras"):
        _program(name)


@cache
def _program(name: str) -> str:
    return str(getattr(witnesses, name)())


@dataclass
class Scene:
    """A project of two images, its registry, and another one."""

    root: Path
    host: str
    other: str
    project: str
    client: ContentClient

    def kit(self, *words: str, env: Mapping[str, str] | None = None) -> Ran:
        """Run pipeline-kit in the project."""
        return run(self.root, *words, env=env)

    def tagged(self, name: str = "api") -> Reference:
        """Return an image's content tag."""
        return Reference(self.host, f"{self.project}/{name}", tags(self.root, name)[name])

    def push(self, name: str = "api", **members: Any) -> Reference:
        """Push an image of two platforms under its content tag; return it by digest."""
        tagged = self.tagged(name)
        pushed = RealRegistry(self.host).put_image(tagged.repository, tagged.tag, PLATFORMS, **members)
        return tagged.with_digest(pushed.digest)

    def attach(self, subject: Reference, text: str) -> str:
        """Let a bill of materials refer to ``subject``."""
        from pipeline_kit.manifest import Descriptor

        items = []
        for data in (b"{}", text.encode()):
            item = {"mediaType": SBOM, "digest": _digest(data), "size": len(data)}
            self.client.write_blob(
                subject, Descriptor(SBOM, _digest(data), len(data)), lambda offset, data=data: iter([data[offset:]])
            )
            items.append(item)
        document = {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "artifactType": SBOM,
            "config": items[0],
            "layers": items[1:],
            "subject": {"mediaType": OCI_MANIFEST, "digest": subject.digest, "size": 1},
        }
        return self.client.attach(subject, Manifest(OCI_MANIFEST, json.dumps(document).encode()))

    def sign(self, subject: Reference) -> None:
        """Leave a signature under the tag where cosign looks for it."""
        tag = f"sha256-{str(subject.digest).partition(':')[2]}.sig"
        RealRegistry(self.host).put_image(subject.repository, tag, content="signature")


def _digest(data: bytes) -> str:
    import hashlib

    return f"sha256:{hashlib.sha256(data).hexdigest()}"


@pytest.fixture
def scene(tmp_path: Path, home: Path, registry_host: str, other_host: str) -> Iterator[Scene]:
    """Give a committed project whose images nobody has pushed."""
    project = f"p{secrets.token_hex(6)}"
    images = {name: {"context": name, "platforms": PLATFORMS} for name in ("api", "web")}
    root = tmp_path / "repo"
    text = config_text(images, registry=registry_host).replace('"shop"', f'"{project}"')
    files = {f"{name}/Dockerfile": "FROM scratch\nCOPY . /\n" for name in images}
    write_files(root, {"pipeline-kit.yaml": text, **files})
    for words in (["init", "--quiet"], ["add", "--all"], ["commit", "--quiet", "--message", "x"]):
        subprocess.run(["git", "-c", "user.name=t", "-c", "user.email=t@example.invalid", *words], cwd=root, check=True)
    client = ContentClient(environment={})
    yield Scene(root, registry_host, other_host, project, client)
    client.close()


def crane(*words: str) -> str:
    """Return what crane prints."""
    return subprocess.run([_program("crane"), *words], check=True, capture_output=True, text=True).stdout.strip()


def test_other_clients_find_the_promoted_image(scene: Scene) -> None:
    """Digest, platforms, referrers and signature are read by crane, skopeo and oras, in the other registry."""
    source = scene.push(content="all of it")
    bill = scene.attach(source, "bill of materials")
    scene.sign(source)
    ran = scene.kit("promote", "api", "--to", f"{scene.other}/prod-{scene.project}", "--tag", "v1", "--json")
    assert ran.code == 0, ran.err
    target = f"{scene.other}/prod-{scene.project}/api"
    told = ran.json()["images"]["api"]
    assert (told["status"], told["digest"], told["referrers"]) == ("promoted", source.digest, 2)
    assert crane("digest", f"{target}:{scene.tagged().tag}") == crane("digest", f"{target}:v1") == source.digest
    children = json.loads(crane("manifest", f"{target}@{source.digest}"))["manifests"]
    assert [child["platform"]["architecture"] for child in children] == ["amd64", "arm64"]
    for child in children:
        for layer in json.loads(crane("manifest", f"{target}@{child['digest']}"))["layers"]:
            assert len(crane("blob", f"{target}@{layer['digest']}")) == layer["size"]
    skopeo = [_program("skopeo"), "inspect", "--raw", "--tls-verify=false", f"docker://{target}:v1"]
    assert _digest(subprocess.run(skopeo, check=True, capture_output=True).stdout) == source.digest
    oras = [_program("oras"), "discover", "--plain-http", "--format", "json", f"{target}@{source.digest}"]
    found = json.loads(subprocess.run(oras, check=True, capture_output=True).stdout)
    listed = found.get("manifests") or found.get("referrers")
    assert [item["digest"] for item in listed] == [bill]
    signature = f"{str(source.digest).replace(':', '-')}.sig"
    assert crane("digest", f"{target}:{signature}") == crane("digest", f"{source.name}:{signature}")


def test_within_a_registry_no_byte_of_a_layer_is_sent(scene: Scene) -> None:
    """Blobs are mounted, and a second promotion does nothing."""
    source = scene.push()
    first = scene.kit("promote", "api", "--to", f"prod-{scene.project}", "--json").json()["images"]["api"]
    second = scene.kit("promote", "api", "--to", f"prod-{scene.project}", "--json").json()["images"]["api"]
    assert first["blobs"] == {"uploaded": 0, "mounted": 4, "present": 0}
    assert first["bytes"] == second["bytes"] == 0
    assert second["manifests"]["stored"] == 0
    assert crane("digest", f"{scene.host}/prod-{scene.project}/api:{scene.tagged().tag}") == source.digest


def test_a_dry_run_writes_nothing(scene: Scene) -> None:
    """It names every step."""
    source = scene.push()
    prefix = f"{scene.other}/dry-{scene.project}"
    ran = scene.kit("promote", "api", "--to", prefix, "--tag", "v1", "--dry-run", "--json")
    told = ran.json()["images"]["api"]
    kinds = [step["kind"] for step in told["steps"]]
    assert kinds == ["blob"] * 4 + ["manifest"] * 2 + ["tag", "tag"]
    assert told["digest"] == source.digest
    assert told["tags"] == {scene.tagged().tag: None, "v1": None}
    people = scene.kit("promote", "api", "--to", prefix, "--dry-run").out
    assert "2 platforms, 4 blobs" in people
    target = Reference(scene.other, f"dry-{scene.project}/api")
    assert list(scene.client.tags(target)) == []


def test_an_image_that_is_not_there_is_told_before_anything_is_copied(scene: Scene) -> None:
    """Exit 3 with the command that brings it; the other image is not promoted either."""
    scene.push("web")
    ran = scene.kit("promote", "--to", f"{scene.other}/part-{scene.project}")
    assert ran.code == 3
    assert "api: " in ran.err
    assert "next: first: pipeline-kit build api" in ran.err
    assert list(scene.client.tags(Reference(scene.other, f"part-{scene.project}/web"))) == []


def test_another_image_at_the_target_is_a_conflict(scene: Scene) -> None:
    """Exit 6; what is there stays."""
    scene.push()
    held = RealRegistry(scene.other).put_image(f"full-{scene.project}/api", scene.tagged().tag, content="other")
    ran = scene.kit("promote", "api", "--to", f"{scene.other}/full-{scene.project}")
    assert ran.code == 6
    assert crane("digest", f"{scene.other}/full-{scene.project}/api:{scene.tagged().tag}") == held.digest


def test_a_promotion_that_was_killed_is_continued(scene: Scene) -> None:
    """No tag is there after the first; the second finds what was sent and ends it."""
    tagged = scene.tagged()
    source = scene.push(content="x")
    target = f"kill-{scene.project}"
    words = ["promote", "api", "--to"]
    with FaultProxy(scene.other) as proxy:
        proxy.add("answer", method="PUT", path="/manifests/", times=10_000)
        killed = subprocess.Popen(
            [*_KIT, *words, f"{proxy.host}/{target}"],
            cwd=scene.root,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=dict(os.environ),
        )
        until = time.monotonic() + 30
        while not proxy.hits("PUT", "/manifests/") and time.monotonic() < until:
            time.sleep(0.01)
        killed.send_signal(signal.SIGKILL)
        killed.wait()
    assert list(scene.client.tags(Reference(scene.other, f"{target}/api"))) == []
    again = scene.kit(*words, f"{scene.other}/{target}", "--json").json()["images"]["api"]
    assert again["blobs"] == {"uploaded": 0, "mounted": 0, "present": 4}
    assert crane("digest", f"{scene.other}/{target}/api:{tagged.tag}") == source.digest


def test_an_interrupted_promotion_says_so(scene: Scene) -> None:
    """SIGTERM ends it within seconds, exit 143, with its report, and without a tag."""
    scene.push(content="y")
    report = scene.root / "report.json"
    with FaultProxy(scene.other) as proxy:
        proxy.add("answer", method="PUT", path="/manifests/", times=10_000)
        words = ["promote", "api", "--to", f"{proxy.host}/term-{scene.project}", "--report", str(report)]
        started = subprocess.Popen(
            [*_KIT, *words], cwd=scene.root, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        until = time.monotonic() + 30
        while not proxy.hits("PUT", "/manifests/") and time.monotonic() < until:
            time.sleep(0.01)
        started.send_signal(signal.SIGTERM)
        _, told = started.communicate(timeout=15)
    assert started.returncode == 143, told
    assert "interrupted" in told
    assert json.loads(report.read_text())["interrupted"] is True
    assert list(scene.client.tags(Reference(scene.other, f"term-{scene.project}/api"))) == []


def test_aliases_move_without_pulling(scene: Scene) -> None:
    """Every image at once; an alias that is there is not written again."""
    api, web = scene.push("api"), scene.push("web")
    first = scene.kit("alias", "--all", "prod", "v1", "--json")
    assert first.code == 0, first.err
    states = {name: item["aliases"] for name, item in first.json()["images"].items()}
    assert {alias["state"] for item in states.values() for alias in item.values()} == {"moved"}
    assert crane("digest", f"{api.name}:prod") == api.digest
    assert crane("digest", f"{web.name}:v1") == web.digest
    again = scene.kit("alias", "api,web", "prod", "--json").json()
    assert {item["aliases"]["prod"]["state"] for item in again["images"].values()} == {"unchanged"}


def test_an_alias_can_follow_another_tag(scene: Scene) -> None:
    """A rollback names what it goes back to."""
    old = RealRegistry(scene.host).put_image(f"{scene.project}/api", "v0", content="old")
    scene.push()
    assert scene.kit("alias", "api", "prod").code == 0
    ran = scene.kit("alias", "api", "prod", "--from", "v0")
    assert ran.code == 0, ran.err
    assert crane("digest", f"{scene.host}/{scene.project}/api:prod") == old.digest
    by_digest = scene.kit("alias", "api", "v9", "--from", old.digest)
    assert by_digest.out.strip() == f"api {scene.host}/{scene.project}/api:v9@{old.digest} moved"


def test_an_alias_of_a_newer_commit_stays(scene: Scene) -> None:
    """Exit 6 unless forced."""
    revision = "org.opencontainers.image.revision"
    git = ["git", "-c", "user.name=t", "-c", "user.email=t@example.invalid"]
    scene.push(labels={revision: _head(scene)})
    (scene.root / "api" / "new").write_text("new")
    subprocess.run([*git, "add", "-A"], cwd=scene.root, check=True)
    subprocess.run([*git, "commit", "-qm", "two"], cwd=scene.root, check=True)
    newer = scene.push(labels={revision: _head(scene)})
    assert scene.kit("alias", "api", "main").code == 0
    back = scene.kit("alias", "api", "main", "--commit", "HEAD~1")
    assert back.code == 6
    assert "names an image of a newer commit" in back.err
    assert crane("digest", f"{newer.name}:main") == newer.digest
    assert scene.kit("alias", "api", "main", "--commit", "HEAD~1", "--force").code == 0
    assert crane("digest", f"{newer.name}:main") != newer.digest


def _head(scene: Scene) -> str:
    done = subprocess.run(["git", "rev-parse", "HEAD"], cwd=scene.root, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def test_an_alias_of_nothing_is_told(scene: Scene) -> None:
    """Exit 3, with the command that brings the image."""
    ran = scene.kit("alias", "api", "prod")
    assert ran.code == 3
    assert "next: first: pipeline-kit build api" in ran.err
