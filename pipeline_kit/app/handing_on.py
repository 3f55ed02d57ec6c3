"""Digests for other programs: of what the registry holds, or of what a build's report says."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pipeline_kit.app import task_definitions
from pipeline_kit.app.planning import make_plan
from pipeline_kit.app.tagging import choose
from pipeline_kit.errors import InputError
from pipeline_kit.outputs.emitted.image import PinnedImage
from pipeline_kit.reference import is_digest, parse_reference

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pipeline_kit.app.session import Session

_LARGEST = 64 << 20
"""Bytes of a report: log tails of a thousand failed images are far below."""


def present_images(session: Session, names: Sequence[str]) -> list[PinnedImage]:
    """Return the images ``names`` (all when empty) by name; the registry has to hold every one of them whole.

    Raises RegistryRefused, RegistryUnreachable, InputError for one that is missing, and what planning raises.
    """
    wanted = choose(session.project, names)
    plan, _ = make_plan(session.project, wanted, session.around, session.registry)
    pinned = task_definitions.present(plan, wanted)
    return [
        PinnedImage(name, plan.images[name].repository, text.rpartition("@")[2], plan.images[name].tag or "")
        for name, text in sorted(pinned.items())
    ]


def reported_images(path: Path, names: Sequence[str]) -> list[PinnedImage]:
    """Return the images ``names`` (all when empty) by name from a report of ``build``. Nothing is asked.

    Raises InputError where the file is no report, or says of one of them that it is not in the registry.
    """
    images = _report(path)
    for name in names:
        if name not in images:
            raise InputError(f"{path}: there is no image {name!r}", hint=f"images are: {', '.join(images)}")
    return [_reported(path, name, images[name]) for name in sorted(names or images)]


def _report(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as stream:
            document = json.loads(stream.read(_LARGEST))
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}", hint="write one with build --report FILE") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: not a JSON report", hint="write one with build --report FILE") from error
    images = document.get("images") if isinstance(document, dict) else None
    if not isinstance(images, dict):
        raise InputError(f"{path}: not a report of build: it has no images", hint="write one with build --report FILE")
    return images


def _reported(path: Path, name: str, image: Any) -> PinnedImage:
    members = image if isinstance(image, dict) else {}
    digest, reference = members.get("digest"), members.get("reference")
    if not isinstance(reference, str) or not (digest is None or (isinstance(digest, str) and is_digest(digest))):
        raise InputError(f"{path}: image {name!r} has no reference and digest", hint="write one with build --report")
    if digest is None:
        status = str(members.get("status"))
        raise InputError(f"{path}: image {name} is not in the registry ({status})", hint="build and push it first")
    parsed = parse_reference(reference)
    return PinnedImage(name, parsed.name, digest, parsed.tag or "")
