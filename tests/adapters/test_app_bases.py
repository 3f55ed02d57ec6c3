"""Images that a base's triggers bring in: no key can name their digests, so no tag may be made."""

from __future__ import annotations

import hashlib
import json
import os
from typing import TYPE_CHECKING

import pytest
from fakes.command_line import run
from fakes.fake_registry import FakeRegistry
from fakes.project_files import config_text, write_files

import pipeline_kit
from pipeline_kit.errors import DockerfileError
from pipeline_kit.manifest import OCI_MANIFEST

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from fakes.git_checkout import Checkout

TRIGGERS = [
    "COPY --from=tools:1 /bin/tool /bin/",
    "copy --chmod=755 --from=tools:1 /bin/tool /bin/",
    "RUN --mount=type=bind,from=tools:1,target=/t true",
    "RUN --mount=from=tools:1,target=/t true",
]
HARMLESS = ["COPY lib /lib", "RUN echo from=here", "ENV from=x"]


@pytest.fixture
def registry(home: Path) -> Iterator[FakeRegistry]:
    """An empty registry in this process."""
    with FakeRegistry() as found:
        yield found


def _put_base(registry: FakeRegistry, triggers: list[str]) -> str:
    """Store ``base:1`` with these ONBUILD triggers and return its digest."""
    config = json.dumps({"os": "linux", "architecture": "amd64", "config": {"OnBuild": triggers}}).encode()
    digest = registry.put_blob("base", config)
    descriptor = {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": digest, "size": len(config)}
    document = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": descriptor, "layers": []}
    data = json.dumps(document).encode()
    registry.put_manifest("base", "1", OCI_MANIFEST, data)
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def _tag(root: Path, registry: FakeRegistry, dockerfile: str, **image: object) -> dict[str, str]:
    images = {"api": {"context": "api", **image}}
    write_files(
        root,
        {"pipeline-kit.yaml": config_text(images, registry=registry.host), "api/Dockerfile": dockerfile, "api/a": "x"},
    )
    return pipeline_kit.content_tags(root, environ=os.environ)


@pytest.mark.parametrize("trigger", TRIGGERS)
@pytest.mark.parametrize("copy", ["COPY a /", "COPY . /", "COPY $UNKNOWN /"])
def test_a_trigger_that_brings_an_image_is_refused(
    tmp_path: Path, registry: FakeRegistry, trigger: str, copy: str
) -> None:
    """However the context is read: the image's digest would be in no key, so there is no tag."""
    _put_base(registry, [trigger])
    with pytest.raises(DockerfileError, match="tools:1"):
        _tag(tmp_path, registry, f"FROM {registry.host}/base:1\n{copy}\n")


@pytest.mark.parametrize("trigger", TRIGGERS)
def test_so_is_one_of_a_base_that_is_pinned(tmp_path: Path, registry: FakeRegistry, trigger: str) -> None:
    """The base cannot move; what its trigger names can."""
    digest = _put_base(registry, [trigger])
    with pytest.raises(DockerfileError, match="tools:1"):
        _tag(tmp_path, registry, f"FROM {registry.host}/base@{digest}\nCOPY a /\n")


@pytest.mark.parametrize("triggers", [[], HARMLESS], ids=["quiet", "loud"])
@pytest.mark.parametrize("copy", ["COPY a /", "COPY . /"])
def test_offline_a_pinned_base_gives_the_tag_of_online_or_none(
    tmp_path: Path, registry: FakeRegistry, triggers: list[str], copy: str
) -> None:
    """Whether it holds triggers only its config tells; where that decides what counts, there is no tag to show."""
    dockerfile = f"FROM {registry.host}/base@{_put_base(registry, triggers)}\n{copy}\n"
    online = _tag(tmp_path, registry, dockerfile)["api"]
    planned = pipeline_kit.plan(tmp_path, environ=os.environ, offline=True).images["api"]
    if copy == "COPY . /":
        assert planned.tag == online
    else:
        assert planned.tag is None
        assert "ONBUILD triggers is not known offline" in planned.reasons[0]
        assert "pipeline-kit.lock" in planned.hint


@pytest.mark.parametrize("is_quiet", [True, False], ids=["quiet", "loud"])
def test_the_lock_knows_whether_a_pinned_base_has_triggers(
    tmp_path: Path, registry: FakeRegistry, is_quiet: bool
) -> None:
    """Then nothing is asked, and what counts is narrowed as it is online; a lock that is silent narrows nothing."""
    base = f"{registry.host}/base@{_put_base(registry, [] if is_quiet else HARMLESS)}"
    dockerfile = f"FROM {base}\nCOPY a /\n"
    resolved = _tag(tmp_path, registry, dockerfile)["api"]
    assert run(tmp_path, "lock").code == 0
    registry.log.clear()
    assert _tag(tmp_path, registry, dockerfile, bases="lock")["api"] == resolved
    (tmp_path / "pipeline-kit.lock").unlink()
    assert (_tag(tmp_path, registry, dockerfile, bases="lock")["api"] == resolved) is not is_quiet
    assert registry.requests() == []


def test_a_tag_does_not_depend_on_what_other_images_ask(tmp_path: Path, registry: FakeRegistry) -> None:
    """One image resolves a base, another ignores what it is: the second gains nothing from the first."""
    _put_base(registry, [])
    dockerfile = f"FROM {registry.host}/base:1\nCOPY a /\n"
    images = {"api": {"context": "api", "bases": "ignore"}, "web": {"context": "api"}}
    config = config_text(images, registry=registry.host)
    write_files(tmp_path, {"pipeline-kit.yaml": config, "api/Dockerfile": dockerfile, "api/a": "x", "api/b": "x"})
    both = pipeline_kit.content_tags(tmp_path, environ=os.environ)
    assert pipeline_kit.content_tags(tmp_path, ["api"], environ=os.environ)["api"] == both["api"] != both["web"]


def test_explain_against_narrows_with_a_pinned_base(checkout: Checkout, registry: FakeRegistry) -> None:
    """Offline it is taken to hold no triggers, so that a change elsewhere is not told; a tag is not claimed."""
    dockerfile = f"FROM {registry.host}/base@{_put_base(registry, [])}\nCOPY a /\n"
    online = _tag(checkout.root, registry, dockerfile)["api"]
    for name in ("name", "email"):  # the registry's fixture gives this test another home
        checkout.git("config", f"user.{name}", "test")
    checkout.commit()
    checkout.write("api/unread", "y\n")
    assert run(checkout.root, "explain", "api", "--against", "HEAD", "--json").json()["added"] == []
    assert run(checkout.root, "explain", "api", "--json").json()["tag"] == online
    told = run(checkout.root, "explain", "api", "--offline", "--json").json()
    assert (told["tag"], list(told["inputs"]["files"])) == (None, ["a"])


@pytest.mark.parametrize("trigger", HARMLESS)
def test_other_triggers_only_widen_the_context(tmp_path: Path, registry: FakeRegistry, trigger: str) -> None:
    """They are in the base's digest, which counts."""
    _put_base(registry, [trigger])
    assert _tag(tmp_path, registry, f"FROM {registry.host}/base:1\nCOPY a /\n")["api"]


@pytest.mark.parametrize("trigger", TRIGGERS)
def test_a_trigger_of_an_image_here_is_refused_alike(tmp_path: Path, registry: FakeRegistry, trigger: str) -> None:
    """The trigger stands in another Dockerfile of the configuration."""
    write_files(
        tmp_path,
        {
            "pipeline-kit.yaml": config_text(
                {"base": {"context": "base"}, "api": {"context": "api", "contexts": {"base": "image:base"}}},
                registry=registry.host,
            ),
            "base/Dockerfile": f"FROM scratch\nONBUILD {trigger}\n",
            "api/Dockerfile": "FROM base\nCOPY a /\n",
            "api/a": "x",
        },
    )
    assert pipeline_kit.content_tags(tmp_path, ["base"], environ=os.environ)
    with pytest.raises(DockerfileError, match="tools:1"):
        pipeline_kit.content_tags(tmp_path, ["api"], environ=os.environ)
