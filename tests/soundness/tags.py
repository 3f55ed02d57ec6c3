"""The content tag of a scene on disk, by the code that the product itself runs; no network."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from soundness.dockerfiles import BELOW_NAME, LOUD, OTHER_NAME
from soundness.scene import BELOW, MAIN, OTHER

from pipeline_kit.adapters.directory import DirectoryTree
from pipeline_kit.app.keys import Bases, key_images
from pipeline_kit.app.sources import Reader
from pipeline_kit.app.ungit import dockerfile_without_git
from pipeline_kit.config.model import Config, DirectoryContext, ImageConfig, ImageContext, Location, NamedContext
from pipeline_kit.errors import PipelineKitError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from soundness.scene import Scene

_NAME, _BELOW = "case", "below"
_HERE = Location("pipeline-kit.yaml", 1, 1)


@dataclass(frozen=True, slots=True)
class Tagged:
    """The tag, or why there is none: then nothing can be skipped. ``because`` is why nothing was narrowed.

    ``dockerfiles`` are what the two images are to be built with, the other image's last.
    """

    tag: str | None
    refusal: str = ""
    because: str = ""
    dockerfiles: tuple[Path, Path] | None = field(default=None, compare=False)


def tag_of(scene: Scene, root: Path, digests: Mapping[str, str]) -> Tagged:
    """Return the tag of ``scene`` as written below ``root``; ``digests`` are those of the base images, by name."""
    by_text = {text: digests[name] for text, name in scene.bases.items()}
    try:
        sources = Reader(_config(scene), ".", DirectoryTree(root), {}).read([_BELOW, _NAME][not scene.chained :])
        dockerfiles = [
            dockerfile_without_git(
                item,
                root / item.image.context,
                root / item.image.dockerfile,
                root.parent / f"{root.name}-{name}",
                {
                    context: root / c.path
                    for context, c in item.image.contexts.items()
                    if isinstance(c, DirectoryContext)
                },
            )
            for name, item in sources.items()
        ]
        quiet = frozenset(by_text) - {LOUD}
        keyed = key_images(sources, Bases(by_text, quiet), prefix="", now=0.0)[_NAME]
    except PipelineKitError as error:
        return Tagged(None, refusal=error.message)
    return Tagged(keyed.tag, because=keyed.because, dockerfiles=(dockerfiles[-1], dockerfiles[0]))


def _config(scene: Scene) -> Config:
    contexts: dict[str, NamedContext] = {}
    if scene.named:
        contexts[OTHER_NAME] = DirectoryContext(OTHER.decode())
    if scene.chained:
        contexts[BELOW_NAME] = ImageContext(_BELOW)
    image = ImageConfig(
        name=_NAME,
        repository=_NAME,
        context=MAIN.decode(),
        dockerfile=os.fsdecode(scene.dockerfile),
        location=_HERE,
        target=scene.target,
        args=scene.args,
        contexts=contexts,
    )
    below = ImageConfig(
        name=_BELOW,
        repository=_BELOW,
        context=BELOW.decode(),
        dockerfile=f"{BELOW.decode()}/Dockerfile",
        location=_HERE,
    )
    images = {_BELOW: below, _NAME: image} if scene.chained else {_NAME: image}
    return Config("pipeline-kit.yaml", "", "registry.invalid", images)
