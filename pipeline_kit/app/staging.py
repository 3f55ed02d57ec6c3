"""``build --platform``: one platform of each image, kept under a staging tag until ``join`` makes the image whole.

A runner for one platform asks for the content tag and, where that lacks the platform, for the staging tag, so that it
too builds nothing twice. Nothing moves an alias before the image is whole.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline_kit.app.verification import Question, prove
from pipeline_kit.errors import InputError
from pipeline_kit.execute.join import staging_tag
from pipeline_kit.plan import Verdict
from pipeline_kit.reference import parse_reference
from pipeline_kit.values import replace

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipeline_kit.config.model import Verify
    from pipeline_kit.plan import Candidate
    from pipeline_kit.ports.registry import ContentRegistry, Observation
    from pipeline_kit.reference import Reference
    from pipeline_kit.scopes import Scope


def staged(
    candidates: Mapping[str, Candidate],
    platform: str,
    registry: ContentRegistry | None,
    *,
    level: Verify = "tag",
    scope: Scope,
) -> dict[str, Candidate]:
    """Return each candidate as a run for ``platform`` alone sees it; without ``registry`` nothing is asked.

    Raises InputError where an image of that platform builds upon one without it.
    """
    _require_bases(candidates, platform)
    found = {name: replace(item, aliases={}) for name, item in candidates.items()}
    open_ones = [name for name, item in found.items() if platform in item.platforms and len(item.platforms) > 1]
    lacking = [name for name in open_ones if not _serves(found[name], platform)]
    asked = [name for name in lacking if found[name].tag and _is_certain(found[name])]
    places = {name: parse_reference(found[name].repository).with_tag(_tag(found[name], platform)) for name in asked}
    answers: Mapping[str, Observation] = {}
    if registry is not None and places:
        answers = dict(zip(places, registry.observe_all(list(places.values())), strict=True))
    for name in open_ones:
        item = replace(found[name], platforms=(platform,), missing_platforms=())
        if name in lacking and item.tag:
            item = replace(item, tag=_tag(item, platform))
        if registry is not None and name in answers:
            item = _answered(item, platform, registry, places[name], answers[name], level, scope)
        found[name] = item
    return found


def _answered(
    item: Candidate,
    platform: str,
    registry: ContentRegistry,
    place: Reference,
    answer: Observation,
    level: Verify,
    scope: Scope,
) -> Candidate:
    """Return the candidate by what the staging tag holds."""
    if answer.verdict is Verdict.PRESENT:
        pinned = place.with_digest(str(answer.digest))
        proven = prove(registry, Question(pinned, answer.media_type, item.key, (platform,), level, scope), answer)
        answer = proven.answer
        if answer.verdict is Verdict.PRESENT and proven.platforms is not None and platform not in proven.platforms:
            return replace(
                item,
                verdict=Verdict.DENIED,
                digest=None,
                detail=f"{place} holds an image that is not for {platform}",
                hint="find out who pushed it, then delete that tag",
            )
    return replace(item, verdict=answer.verdict, digest=answer.digest, detail=answer.detail, hint=answer.hint)


def _require_bases(candidates: Mapping[str, Candidate], platform: str) -> None:
    for name, item in candidates.items():
        for need in item.needs:
            if platform in item.platforms and need in candidates and platform not in candidates[need].platforms:
                raise InputError(
                    f"{name} builds upon {need}, which is not built for {platform}",
                    hint=f"add {platform} to images.{need}.platforms",
                )


def _serves(item: Candidate, platform: str) -> bool:
    return item.verdict is Verdict.PRESENT and platform not in item.missing_platforms


def _is_certain(item: Candidate) -> bool:
    return item.verdict in (Verdict.PRESENT, Verdict.ABSENT)


def _tag(item: Candidate, platform: str) -> str:
    return staging_tag(str(item.tag), platform)
