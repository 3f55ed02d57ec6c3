"""Plans written by hand, without anything behind them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipeline_kit.plan import Action, Plan, PlannedImage, Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

AMD, ARM = "linux/amd64", "linux/arm64"
BOTH = (AMD, ARM)
_VERDICTS = {Action.BUILD: Verdict.ABSENT, Action.BLOCKED: Verdict.DENIED}


def planned(
    name: str,
    action: Action = Action.BUILD,
    *needs: str,
    platforms: Sequence[str] = (AMD,),
    missing: Sequence[str] = (),
    **members: Any,
) -> PlannedImage:
    """Return one image of a plan, with a tag, and a digest where it is there."""
    is_there = action in (Action.SKIP, Action.COMPLETE)
    image = PlannedImage(
        name=name,
        action=action,
        verdict=_VERDICTS.get(action, Verdict.PRESENT),
        key="1" * 64,
        tag="0123456789abcdef0123456789abcdef",
        repository=f"registry.example:5000/shop/{name}",
        digest=f"sha256:{'a' * 64}" if is_there else None,
        needs=needs,
        platforms=tuple(platforms),
        missing_platforms=tuple(missing),
        aliases={},
        reasons=("tag not in the registry",),
    )
    return image._replace(**members)


def plan_of(*images: PlannedImage) -> Plan:
    """Return a plan of ``images``, dependencies first."""
    return Plan({image.name: image for image in images}, "work tree")
