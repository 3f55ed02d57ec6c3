"""The plan: what is to be done with every image, each with its reasons; JSON in and out (design D5, D7).

A plan is a value. A dry run prints it; ``build`` executes it; ``build --plan FILE`` reads it back and refuses when the
world has moved.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any

from pipeline_kit import graph
from pipeline_kit.errors import InputError
from pipeline_kit.named_tuple import NamedTuple
from pipeline_kit.values import field, value_class

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

PLAN_VERSION = 1
_MAX_NAMED = 3


class Verdict(StrEnum):
    """The registry's answer about one content tag (design D5)."""

    PRESENT = "present"
    ABSENT = "absent"
    DENIED = "denied"
    UNKNOWN = "unknown"


class Action(StrEnum):
    """What the plan does with an image."""

    BUILD = "build"
    COMPLETE = "complete"
    SKIP = "skip"
    BLOCKED = "blocked"


class Status(StrEnum):
    """What became of an image in a run."""

    BUILT = "built"
    COMPLETED = "completed"
    SKIPPED = "skipped"
    REUSED = "reused"
    FAILED = "failed"
    BLOCKED = "blocked"


@value_class()
class Candidate:
    """One image before the decision: its key, and what the registry said about the tag.

    ``missing_platforms`` are those that the present index lacks.
    """

    name: str
    repository: str
    """``host/repository``."""
    needs: tuple[str, ...]
    """Images here that it builds upon."""
    platforms: tuple[str, ...]
    key: str | None
    """``None`` when a base could not be resolved, as offline."""
    tag: str | None
    verdict: Verdict
    digest: str | None = None
    present_platforms: tuple[str, ...] = ()
    missing_platforms: tuple[str, ...] = ()
    detail: str = ""
    hint: str = ""
    """What to do about a denied or unknown verdict."""
    aliases: Mapping[str, str | None] = field(default_factory=dict)
    """Alias tags and the digest each has in the registry now; ``None`` where it does not exist."""
    notes: tuple[str, ...] = ()
    """What a reviewer should know whatever the action, such as an ADD that nothing pins."""
    because: str = ""
    """Why the whole context counts; ``""`` where it was narrowed."""
    is_unproven: bool = False
    """True when an image is there and lacks the proof that a hit needs: only ``--force`` builds over it."""
    is_asked: bool = True
    """False when the registry was not asked on purpose (``--offline``)."""


class PlannedImage(NamedTuple):
    """One image of a plan."""

    name: str
    action: Action
    verdict: Verdict
    key: str | None
    tag: str | None
    repository: str
    digest: str | None
    needs: tuple[str, ...]
    platforms: tuple[str, ...]
    missing_platforms: tuple[str, ...]
    aliases: Mapping[str, str | None]
    reasons: tuple[str, ...]
    hint: str = ""
    because: str = ""
    """Why the whole context counts; ``""`` where it was narrowed to what the build can read."""

    @property
    def reference(self) -> str:
        """Return ``host/repository:tag``, or ``host/repository`` while the tag is not known."""
        return f"{self.repository}:{self.tag}" if self.tag else self.repository

    @property
    def alias_moves(self) -> tuple[str, ...]:
        """Return the aliases that do not already name the present digest."""
        return tuple(alias for alias, at in self.aliases.items() if at is None or at != self.digest)


class Plan(NamedTuple):
    """All images in graph order."""

    images: Mapping[str, PlannedImage]
    tree: str = ""
    """What was looked at: ``work tree``, ``commit …``."""

    @property
    def builds(self) -> tuple[PlannedImage, ...]:
        """Return the images to build or complete, dependencies first."""
        return tuple(image for image in self.images.values() if image.action in (Action.BUILD, Action.COMPLETE))

    @property
    def has_work(self) -> bool:
        """Return whether carrying out the plan would change anything in the registry."""
        return any(image.action is not Action.SKIP or image.alias_moves for image in self.images.values())

    @property
    def worst_verdict(self) -> Verdict | None:
        """Return DENIED or UNKNOWN when an image is blocked by such an answer, denied first; else ``None``."""
        return self.worst_of(frozenset())

    @property
    def verdicts(self) -> frozenset[Verdict]:
        """Return the verdicts that block images."""
        return frozenset(image.verdict for image in self.images.values() if image.action is Action.BLOCKED)

    def worst_of(self, tolerated: frozenset[Verdict]) -> Verdict | None:
        """Return the worst verdict that blocks an image and is not ``tolerated``."""
        blocked = self.verdicts - tolerated
        return next((verdict for verdict in (Verdict.DENIED, Verdict.UNKNOWN) if verdict in blocked), None)


def decide(
    candidates: Mapping[str, Candidate],
    *,
    wanted: Collection[str],
    force: bool,
    tree: str = "",
    causes: Mapping[str, tuple[str, ...]] | None = None,
) -> Plan:
    """Return the plan for ``wanted`` images and whatever has to be built for them.

    ``causes`` says, by image, what differs from an earlier commit. An image that was not asked for is part of the plan
    only when something that is going to be built needs it.
    """
    needs = {name: candidate.needs for name, candidate in candidates.items()}
    ordered, chosen = graph.order(needs), set(wanted)
    stale = {name for name in ordered if name in chosen and _is_stale(candidates[name], force=force)}
    for name in reversed(ordered):
        if name in stale:
            stale.update(need for need in needs[name] if _is_stale(candidates[need], force=False))
    reached = graph.dependencies(needs, stale) | chosen
    planned: dict[str, PlannedImage] = {}
    for name in ordered:
        if name in reached:
            why = causes.get(name, ()) if causes else ()
            planned[name] = _planned(candidates[name], planned, why, force=force and name in chosen)
    return Plan(planned, tree)


def withhold(plan: Plan) -> Plan:
    """Return ``plan`` without building what builds upon an image of which nothing is known."""
    images: dict[str, PlannedImage] = {}
    for name, image in plan.images.items():
        unknown = [need for need in image.needs if need in images and images[need].action is Action.BLOCKED]
        if unknown and image.action in (Action.BUILD, Action.COMPLETE):
            why = f"it builds upon {', '.join(unknown)}, of which nothing is known"
            images[name] = image._replace(action=Action.BLOCKED, reasons=(why,))
        else:
            images[name] = image
    return plan._replace(images=images)


def _is_stale(candidate: Candidate, *, force: bool) -> bool:
    return force or candidate.verdict is not Verdict.PRESENT or bool(candidate.missing_platforms)


def _planned(
    candidate: Candidate, planned: Mapping[str, PlannedImage], causes: tuple[str, ...], *, force: bool
) -> PlannedImage:
    action, reasons = _action(candidate, planned, causes, force=force)
    return PlannedImage(
        name=candidate.name,
        action=action,
        verdict=candidate.verdict,
        key=candidate.key,
        tag=candidate.tag,
        repository=candidate.repository,
        digest=candidate.digest,
        needs=candidate.needs,
        platforms=candidate.platforms,
        missing_platforms=candidate.missing_platforms if action is Action.COMPLETE else (),
        aliases=candidate.aliases,
        reasons=(*reasons, *candidate.notes),
        hint=candidate.hint,
        because=candidate.because,
    )


def _action(
    candidate: Candidate, planned: Mapping[str, PlannedImage], causes: tuple[str, ...], *, force: bool
) -> tuple[Action, tuple[str, ...]]:
    is_uncertain = candidate.verdict in (Verdict.DENIED, Verdict.UNKNOWN)
    if is_uncertain and candidate.is_asked and not (force and candidate.is_unproven):
        return Action.BLOCKED, (candidate.detail or f"the registry's answer is {candidate.verdict}",)
    if not candidate.is_asked:
        return Action.BUILD, (*causes, candidate.detail or "offline: the registry was not asked")
    if force:
        return Action.BUILD, ("forced",)
    if candidate.verdict is Verdict.ABSENT:
        return Action.BUILD, (*_rebuilt(candidate, planned), *causes) or ("tag not in the registry",)
    if candidate.missing_platforms:
        return Action.COMPLETE, (f"tag present, without {', '.join(candidate.missing_platforms)}",)
    count = len(candidate.platforms)
    return Action.SKIP, (f"tag present, {count} platform{'s' if count != 1 else ''}",)


def _rebuilt(candidate: Candidate, planned: Mapping[str, PlannedImage]) -> tuple[str, ...]:
    rebuilt = [need for need in candidate.needs if need in planned and planned[need].action is Action.BUILD]
    return tuple(f"base {name} is rebuilt" for name in rebuilt)


def phrase_files(changed: Mapping[str, str]) -> tuple[str, ...]:
    """Return reasons for files, ``path -> added|removed|changed``: each named up to three, then a count."""
    named = tuple(f"{path} {state}" for path, state in sorted(changed.items()))
    if len(named) <= _MAX_NAMED:
        return named
    return (*named[: _MAX_NAMED - 1], f"and {len(named) - _MAX_NAMED + 1} more files")


def document(plan: Plan) -> dict[str, Any]:
    """Return the JSON document of ``plan --json`` (design D7), which :func:`read` takes back."""
    return {
        "version": PLAN_VERSION,
        "tree": plan.tree,
        "images": {
            image.name: {
                "action": image.action.value,
                "verdict": image.verdict.value,
                "tag": image.tag,
                "reference": image.reference,
                "digest": image.digest,
                "reasons": list(image.reasons),
                "key": image.key,
                "repository": image.repository,
                "needs": list(image.needs),
                "platforms": list(image.platforms),
                "missing_platforms": list(image.missing_platforms),
                "aliases": dict(image.aliases),
                "hint": image.hint,
            }
            for image in plan.images.values()
        },
    }


def read(data: bytes, name: str) -> Plan:
    """Read a saved plan. Raises InputError naming ``name`` when it is none, or of another version."""
    import json  # noqa: PLC0415 - takes 2 ms to load, and most runs read none

    try:
        parsed = json.loads(data)
        if parsed["version"] != PLAN_VERSION:
            raise InputError(f"{name}: a plan of version {parsed['version']!r}", hint="make it again with this version")
        images = {key: _read_image(key, item) for key, item in parsed["images"].items()}
        return Plan(images, str(parsed["tree"]))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise InputError(f"{name} is not a saved plan", hint="make it with: pipeline-kit plan --out FILE") from error


def _read_image(name: str, item: Mapping[str, Any]) -> PlannedImage:
    return PlannedImage(
        name=name,
        action=Action(item["action"]),
        verdict=Verdict(item["verdict"]),
        key=item["key"],
        tag=item["tag"],
        repository=str(item["repository"]),
        digest=item["digest"],
        needs=tuple(item["needs"]),
        platforms=tuple(item["platforms"]),
        missing_platforms=tuple(item["missing_platforms"]),
        aliases=dict(item["aliases"]),
        reasons=tuple(item["reasons"]),
        hint=str(item["hint"]),
    )


def differences(saved: Plan, fresh: Plan) -> tuple[str, ...]:
    """Return why ``saved`` no longer holds, one sentence an image; empty when it does (design D2, ``build --plan``)."""
    found: list[str] = []
    for name in {**saved.images, **fresh.images}:
        before, now = saved.images.get(name), fresh.images.get(name)
        if before is None or now is None:
            found.append(f"{name} is {'new' if before is None else 'gone'}")
        elif before.key != now.key or before.repository != now.repository:
            found.append(f"{name}: its inputs changed ({before.tag} is now {now.tag})")
        elif (before.action, before.digest) != (now.action, now.digest):
            found.append(f"{name}: the registry moved (planned {before.action}, now {now.action})")
        elif dict(before.aliases) != dict(now.aliases):
            found.append(f"{name}: an alias moved")
    return tuple(found)
