"""The content tag of a scene on disk, by the code that the product itself runs; no network."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from soundness.dockerfiles import LOUD, OTHER_NAME
from soundness.scene import MAIN, OTHER

from pipeline_kit.adapters.filesystem import DirectoryTree
from pipeline_kit.app.keys import Bases, key_images
from pipeline_kit.app.sources import Reader
from pipeline_kit.config.model import Config, DirectoryContext, ImageConfig, Location
from pipeline_kit.errors import PipelineKitError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from soundness.scene import Scene

    from pipeline_kit.app.keys import Keyed

_NAME = "case"
_HERE = Location("pipeline-kit.yaml", 1, 1)


@dataclass(frozen=True, slots=True)
class Tagged:
    """The tag, or why there is none: then nothing can be skipped. ``because`` is why nothing was narrowed."""

    tag: str | None
    refusal: str = ""
    because: str = ""


def tag_of(scene: Scene, root: Path, digests: Mapping[str, str]) -> Tagged:
    """Return the tag of ``scene`` as written below ``root``; ``digests`` are those of the base images, by name."""
    try:
        keyed = _keyed(scene, root, {text: digests[name] for text, name in scene.bases.items()})
    except PipelineKitError as error:
        return Tagged(None, refusal=error.message)
    return Tagged(keyed.tag, because=keyed.because)


def _keyed(scene: Scene, root: Path, digests: Mapping[str, str]) -> Keyed:
    dockerfile = os.fsdecode(scene.dockerfile)
    image = ImageConfig(
        name=_NAME,
        repository=_NAME,
        context=MAIN.decode(),
        dockerfile=dockerfile,
        location=_HERE,
        target=scene.target,
        args=scene.args,
        contexts={OTHER_NAME: DirectoryContext(OTHER.decode())} if scene.named else {},
    )
    config = Config("pipeline-kit.yaml", "", "registry.invalid", {_NAME: image})
    sources = Reader(config, ".", DirectoryTree(root), {}).read([_NAME])
    quiet = frozenset(digests) - {LOUD}
    return key_images(sources, Bases(digests, quiet), prefix="", now=0.0)[_NAME]
