"""ECR lifecycle policies: written from ``retention:``, checked, and simulated on images as they are. Pure.

Source: ECR user guide, "How lifecycle policies work" and "Lifecycle policy properties". In particular: a list of
prefixes or patterns selects images that have a tag for *each* of them; all rules mark images as if no other rule had
deleted any; an image that a rule selects cannot be expired by a rule of lower priority (a higher number), whether the
first one expires it or not; what an index refers to is not expired before the index is.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from pipeline_kit.errors import InputError
from pipeline_kit.named_tuple import NamedTuple
from pipeline_kit.values import value_class

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pipeline_kit.config.model import Retention
    from pipeline_kit.retention.decision import StoredImage

_DAY = 86_400
_STATUSES = ("tagged", "untagged", "any")
_COUNT_TYPES = ("imageCountMoreThan", "sinceImagePushed", "sinceImagePulled", "sinceImageTransitioned")
_MOST_WILDCARDS = 4
_EVERY = 100_000
"""Images that a repository can hold: a rule that expires what is beyond expires nothing."""


@value_class()
class LifecycleRule:
    """One rule of a policy."""

    priority: int
    status: str
    prefixes: tuple[str, ...]
    patterns: tuple[str, ...]
    count_type: str
    count: int
    action: str

    def selects(self, image: StoredImage) -> bool:
        """Return whether the image is one of those that this rule is about."""
        if self.status == "any":
            return True
        if self.status == "untagged":
            return not image.tags
        wanted = [re.escape(prefix) + ".*" for prefix in self.prefixes]
        wanted += [".*".join(map(re.escape, pattern.split("*"))) for pattern in self.patterns]
        return all(any(re.fullmatch(form, tag, re.DOTALL) for tag in image.tags) for form in wanted)


class Expiry(NamedTuple):
    """What a policy would do to one image: ``action`` is ``expire`` or ``transition``, ``rule`` the priority of why."""

    image: StoredImage
    action: str
    rule: int


class Generated(NamedTuple):
    """A policy document, and what of ``retention:`` it cannot say."""

    document: dict[str, Any]
    warnings: tuple[str, ...]


def parse_policy(document: object) -> tuple[LifecycleRule, ...]:
    """Return a policy's rules by priority. Raises InputError for what ECR would refuse."""
    rules = document.get("rules") if isinstance(document, dict) else None
    if not isinstance(rules, list) or not rules:
        raise InputError("not a lifecycle policy: it has no list 'rules'")
    found = sorted((_rule(item, number) for number, item in enumerate(rules, 1)), key=lambda rule: rule.priority)
    priorities = [rule.priority for rule in found]
    if len(set(priorities)) < len(priorities):
        raise InputError("two rules have the same rulePriority")
    whole = [rule for rule in found if rule.status == "any"]
    if whole and (len(whole) > 1 or whole[0] is not found[-1]):
        raise InputError("a rule with tagStatus any must be the only one, and have the highest rulePriority")
    return tuple(found)


def _rule(item: object, number: int) -> LifecycleRule:
    where = f"rule {number}"
    if not isinstance(item, dict) or not isinstance(item.get("selection"), dict):
        raise InputError(f"{where}: it has no selection")
    selection: dict[str, Any] = item["selection"]
    priority, status = item.get("rulePriority"), selection.get("tagStatus")
    if not _is_count(priority):
        raise InputError(f"{where}: rulePriority must be a whole number above 0")
    if status not in _STATUSES:
        raise InputError(f"{where}: tagStatus must be one of {', '.join(_STATUSES)}")
    prefixes, patterns = _texts(selection, "tagPrefixList", where), _texts(selection, "tagPatternList", where)
    if status == "tagged" and bool(prefixes) == bool(patterns):
        raise InputError(f"{where}: tagged images need either tagPrefixList or tagPatternList")
    if status != "tagged" and (prefixes or patterns):
        raise InputError(f"{where}: tagPrefixList and tagPatternList are for tagStatus tagged only")
    if any(pattern.count("*") > _MOST_WILDCARDS for pattern in patterns):
        raise InputError(f"{where}: a pattern has at most {_MOST_WILDCARDS} wildcards")
    kind, count = selection.get("countType"), selection.get("countNumber")
    if kind not in _COUNT_TYPES or not _is_count(count):
        raise InputError(f"{where}: countType must be one of {', '.join(_COUNT_TYPES)}, countNumber above 0")
    if (selection.get("countUnit") == "days") == (kind == "imageCountMoreThan"):
        raise InputError(f"{where}: countUnit days goes with every countType but imageCountMoreThan")
    action = item.get("action")
    name = action.get("type") if isinstance(action, dict) else None
    if name not in ("expire", "transition"):
        raise InputError(f"{where}: action.type must be expire or transition")
    return LifecycleRule(int(str(priority)), str(status), prefixes, patterns, str(kind), int(str(count)), str(name))


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _texts(selection: Mapping[str, Any], name: str, where: str) -> tuple[str, ...]:
    value = selection.get(name, [])
    if not isinstance(value, list) or not all(isinstance(text, str) and text for text in value):
        raise InputError(f"{where}: {name} must be a list of texts")
    return tuple(value)


def simulate(rules: Sequence[LifecycleRule], images: Sequence[StoredImage], now: float) -> tuple[Expiry, ...]:
    """Return what a policy would do to ``images`` at ``now`` (seconds since the epoch), in their order.

    Archived images are not told apart from others, so that a rule ``sinceImageTransitioned`` does nothing here.
    """
    marked = {rule.priority: _marked(rule, images, now) for rule in rules}
    chosen: dict[str, Expiry] = {}
    for image in images:
        # The first rule that selects an image shields it from all that come after.
        rule = next((rule for rule in rules if rule.selects(image)), None)
        if rule is not None and image.digest in marked[rule.priority]:
            chosen[image.digest] = Expiry(image, rule.action, rule.priority)
    return _without_parts(chosen, images)


def _marked(rule: LifecycleRule, images: Sequence[StoredImage], now: float) -> set[str]:
    selected = [image for image in images if rule.selects(image)]
    if rule.count_type == "imageCountMoreThan":
        selected.sort(key=lambda image: (-(image.created or 0), image.digest))
        return {image.digest for image in selected[rule.count :]}
    if rule.count_type == "sinceImageTransitioned":
        return set()
    found = set()
    for image in selected:
        pulled = image.pulled if rule.count_type == "sinceImagePulled" else None
        moment = pulled if pulled is not None else image.created
        if moment is not None and now - moment > rule.count * _DAY:
            found.add(image.digest)
    return found


def _without_parts(chosen: dict[str, Expiry], images: Sequence[StoredImage]) -> tuple[Expiry, ...]:
    """Leave out parts of indexes that stay, and artifacts whose subject stays go only by a rule of their own."""
    left = dict(chosen)
    while True:
        held = {child for image in images if image.digest not in left for child in image.children}
        blocked = held & left.keys()
        if not blocked:
            return tuple(left[image.digest] for image in images if image.digest in left)
        for digest in blocked:
            del left[digest]


def generate_policy(retention: Retention, tag_prefix: str) -> Generated:
    """Return a policy that deletes nothing which ``retention:`` keeps by its own rules, as far as ECR can say it.

    ECR knows neither services nor branches; what it cannot say is left out of the policy and told.
    """
    rules: list[dict[str, Any]] = []
    warnings = ["a lifecycle policy does not know what is in use: check it with --simulate, or use prune instead"]
    for pattern in retention.keep_tags:
        if pattern == "*" or "?" in pattern or pattern.count("*") > _MOST_WILDCARDS:
            warnings.append(f"keep_tags: {pattern!r} cannot be said in a policy, so tagged images are left to prune")
            break
        selection = {"tagStatus": "tagged", "tagPatternList": [pattern]}
        rules.append(_written(f"keep {pattern}", {**selection, **_count(_EVERY)}))
    else:
        rules += _tagged(retention, tag_prefix, warnings)
    days = max(1, -(-retention.min_age // _DAY))
    untagged = {"tagStatus": "untagged", "countType": "sinceImagePushed", "countUnit": "days", "countNumber": days}
    rules.append(_written("images that no tag and no index names", untagged))
    numbered = [{"rulePriority": number, **rule} for number, rule in enumerate(rules, 1)]
    return Generated({"rules": numbered}, tuple(warnings))


def _tagged(retention: Retention, prefix: str, warnings: list[str]) -> list[dict[str, Any]]:
    if retention.keep_last is not None and retention.keep_days is not None:
        warnings.append("keep_last together with keep_days cannot be said in a policy: a rule of ECR's is one of both")
        return []
    if retention.keep_last is None and retention.keep_days is None:
        return []
    selection: dict[str, Any] = {"tagStatus": "tagged", "tagPatternList": [f"{prefix}*"]}
    if retention.keep_last is not None:
        return [_written(f"the newest {retention.keep_last}", {**selection, **_count(retention.keep_last)})]
    age = {"countType": "sinceImagePushed", "countUnit": "days", "countNumber": retention.keep_days}
    return [_written(f"younger than {retention.keep_days} days", {**selection, **age})]


def _count(number: int) -> dict[str, Any]:
    return {"countType": "imageCountMoreThan", "countNumber": number}


def _written(description: str, selection: dict[str, Any]) -> dict[str, Any]:
    return {"description": description[:256], "selection": selection, "action": {"type": "expire"}}
