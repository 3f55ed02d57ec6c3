"""Rules and schedules that start tasks: their targets follow the revision that was deployed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipeline_kit.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pipeline_kit.ports.ecs import Schedules


def move_targets(schedules: Schedules, rules: Iterable[str], names: Iterable[str], arn: str) -> tuple[str, ...]:
    """Let every target of the same family in ``rules`` and schedules ``names`` start ``arn``; return what moved.

    What starts this very revision already is not written again. Raises InputError where nothing of the family is there.
    """
    moved: list[str] = []
    for rule in rules:
        targets = [target for target in schedules.rule_targets(rule) if _is_of(_ecs_part(target), arn)]
        if not targets:
            raise InputError(f"the rule {rule} has no target of the family {_family(arn)}")
        stale = [target for target in targets if _ecs_part(target)["TaskDefinitionArn"] != arn]
        if stale:
            schedules.put_targets(rule, [_moved(target, arn) for target in stale])
            moved.append(f"rule {rule}")
    for name in names:
        schedule = schedules.schedule(name)
        target = schedule.get("Target") or {}
        if not _is_of(_ecs_part(target), arn):
            raise InputError(f"the schedule {name} starts no task of the family {_family(arn)}")
        if _ecs_part(target)["TaskDefinitionArn"] != arn:
            schedules.put_schedule({**schedule, "Target": _moved(target, arn)})
            moved.append(f"schedule {name}")
    return tuple(moved)


def _ecs_part(target: Mapping[str, Any]) -> Mapping[str, Any]:
    part = target.get("EcsParameters")
    return part if isinstance(part, dict) else {}


def _moved(target: Mapping[str, Any], arn: str) -> dict[str, Any]:
    return {**target, "EcsParameters": {**_ecs_part(target), "TaskDefinitionArn": arn}}


def _family(arn: str) -> str:
    return arn.rpartition("/")[2].partition(":")[0]


def _is_of(part: Mapping[str, Any], arn: str) -> bool:
    return _family(str(part.get("TaskDefinitionArn", ""))) == _family(arn)
