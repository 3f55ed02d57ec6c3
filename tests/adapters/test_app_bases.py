"""Images that a base's triggers bring in: no key can name their digests, so no tag may be made."""

from __future__ import annotations

import hashlib
import json
import os
from typing import TYPE_CHECKING

import pytest
from fakes.fake_registry import FakeRegistry
from fakes.project_files import config_text, write_files

import pipeline_kit
from pipeline_kit.errors import DockerfileError
from pipeline_kit.manifest import OCI_MANIFEST

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

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
