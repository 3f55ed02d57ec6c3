"""EventBridge rules and EventBridge Scheduler through boto3, as :class:`pipeline_kit.ports.ecs.Schedules`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipeline_kit.errors import AwsRefused

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pipeline_kit.adapters.aws.ecs_clients import AwsClients

_TARGETS_A_CALL = 10


class SchedulesApi:
    """The EventBridge APIs of one region."""

    def __init__(self, clients: AwsClients) -> None:
        self._clients = clients

    def rule_targets(self, rule: str) -> list[Mapping[str, Any]]:
        """Return every target of a rule, page by page."""
        found: list[Mapping[str, Any]] = []
        more: dict[str, Any] = {}
        while True:
            answer = self._clients.call("events", "ListTargetsByRule", **_rule(rule), **more)
            found += answer.get("Targets", ())
            if not answer.get("NextToken"):
                return found
            more = {"NextToken": answer["NextToken"]}

    def put_targets(self, rule: str, targets: Sequence[Mapping[str, Any]]) -> None:
        """Write targets, ten a call. PutTargets answers with HTTP 200 and a count of what it did not take."""
        for start in range(0, len(targets), _TARGETS_A_CALL):
            some = list(targets[start : start + _TARGETS_A_CALL])
            answer = self._clients.call("events", "PutTargets", **_rule(rule), Targets=some)
            if answer.get("FailedEntryCount"):
                told = "; ".join(f"{e.get('TargetId')}: {e.get('ErrorMessage')}" for e in answer["FailedEntries"])
                raise AwsRefused(f"AWS refuses targets of the rule {rule}: {told}", code="FailedEntry")

    def schedule(self, name: str) -> dict[str, Any]:
        """Return a schedule, reduced to what UpdateSchedule takes by the SDK's own model."""
        group, _, bare = name.rpartition("/")
        answer = self._clients.call("scheduler", "GetSchedule", Name=bare, **({"GroupName": group} if group else {}))
        model = self._clients.client("scheduler").meta.service_model.operation_model("UpdateSchedule")
        return {key: value for key, value in answer.items() if key in model.input_shape.members}

    def put_schedule(self, schedule: Mapping[str, Any]) -> None:
        """Write a schedule back; UpdateSchedule replaces all of it."""
        self._clients.call("scheduler", "UpdateSchedule", **schedule)


def _rule(rule: str) -> dict[str, str]:
    bus, _, name = rule.rpartition("/")
    return {"Rule": name, **({"EventBusName": bus} if bus else {})}
