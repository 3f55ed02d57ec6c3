"""Tags, then a plan: phases two to five of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline_kit.app import reasons
from pipeline_kit.app.candidates import Decider, ask, places
from pipeline_kit.app.tagging import Tagged, compute_tags, repository_of
from pipeline_kit.plan import Candidate, Plan, Verdict, decide, withhold

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pipeline_kit.app.project import Project
    from pipeline_kit.app.surroundings import Surroundings
    from pipeline_kit.ports.registry import ContentRegistry


def make_plan(
    project: Project,
    wanted: Sequence[str],
    around: Surroundings,
    registry: ContentRegistry | None,
    *,
    force: bool = False,
    tagged: Tagged | None = None,
    platform: str | None = None,
) -> tuple[Plan, Tagged]:
    """Return the plan for ``wanted`` images, and the tags it rests upon. Without ``registry`` nothing is asked.

    With ``platform``, of images for several platforms only that one is planned, under its staging tag.
    """
    tagged = tagged or compute_tags(project, wanted, around, None if registry is None else lambda: registry)
    where = {
        name: places(repository_of(project, item.image), item.image, tagged.keyed[name].tag, around)
        for name, item in tagged.sources.items()
    }
    asked = ask((place for found in where.values() for place in found), registry)
    candidates = Decider(project.config.verify, tagged, around, where, asked, registry).candidates()
    if platform is not None:
        from pipeline_kit.app.staging import staged

        candidates = staged(candidates, platform, registry, level=project.config.verify, scope=around.scope)
    causes = _causes(project, tagged, candidates, around)
    plan = decide(candidates, wanted=wanted, force=force, tree=project.tree.describe(), causes=causes)
    if around.is_read_only:  # it goes on without what it may not read
        plan = withhold(plan)
    return plan, tagged


def _causes(
    project: Project, tagged: Tagged, candidates: Mapping[str, Candidate], around: Surroundings
) -> dict[str, tuple[str, ...]]:
    absent = [n for n, c in candidates.items() if c.key and (c.verdict is Verdict.ABSENT or not c.is_asked)]
    return reasons.causes(project, tagged, absent, around) if absent else {}
