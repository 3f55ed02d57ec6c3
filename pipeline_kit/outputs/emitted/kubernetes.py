"""Kustomize components and Helm values.

Sources: Kustomize reference, "images" and "components"; the layout of values is the one that ``helm create`` writes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipeline_kit.errors import InputError
from pipeline_kit.outputs.emitted.image import PinnedImage, distinct, filled
from pipeline_kit.outputs.emitted.yaml_text import yaml_text

if TYPE_CHECKING:
    from collections.abc import Sequence


def kustomize(images: Sequence[PinnedImage], name: str) -> str:
    """Return a component (a ``kustomization.yaml``) that sets images; ``name`` is how manifests call an image.

    Raises InputError.
    """
    entries = [
        {"name": written, "newName": image.repository, "digest": image.digest}
        for written, image in distinct(images, lambda image: filled(name, image, "--name"), "name")
    ]
    return yaml_text(
        {"apiVersion": "kustomize.config.k8s.io/v1alpha1", "kind": "Component", "images": entries},
        "kustomization.yaml: list its directory under 'components'",
    )


def helm_values(images: Sequence[PinnedImage], key: str, *, layout: str) -> str:
    """Return values in which ``key``, a path with dots, holds each image.

    ``layout`` is ``repository`` (repository, tag, digest), ``registry`` (the host apart) or ``reference`` (one text).
    Raises InputError.
    """
    values: dict[str, Any] = {}
    for image in images:
        path = [filled(part, image, "--key") for part in key.split(".")]
        if not all(path):
            raise InputError(f"--key {key!r} has an empty part", hint="as in images.{name}")
        place = values
        for part in path[:-1]:
            place = place.setdefault(part, {})
        if path[-1] in place:
            raise InputError(f"--key {key!r} puts several images into one place", hint="use {name} in it")
        place[path[-1]] = _value(image, layout)
    return yaml_text(values, "helm … --values FILE")


def _value(image: PinnedImage, layout: str) -> Any:
    if layout == "reference":
        return image.pinned
    host, _, path = image.repository.partition("/")
    where = {"registry": host, "repository": path} if layout == "registry" else {"repository": image.repository}
    return {**where, "tag": image.tag, "digest": image.digest}
