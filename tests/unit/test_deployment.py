"""The state machines of deployments, as tables: what AWS says, and what it means."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from pipeline_kit.deployment import appspec
from pipeline_kit.deployment.causes import CauseKind, cause_of, classify, event_cause, is_failure, summary
from pipeline_kit.deployment.machine import (
    is_going_back,
    judge_code_deployment,
    judge_rollout,
    judge_service_deployment,
    service_deployment_standing,
)
from pipeline_kit.deployment.observations import (
    CodeDeployment,
    Container,
    Rollout,
    Service,
    ServiceDeployment,
    Task,
)
from pipeline_kit.deployment.run_task import failed_containers
from pipeline_kit.deployment.verdict import Ending
from pipeline_kit.errors import TaskDefinitionError

T, M, D = "TRIGGERED", "MONITORING", "DISABLED"


@pytest.mark.parametrize(
    ("status", "breaker", "alarms", "is_newest", "ending"),
    [
        ("PENDING", M, D, True, None),
        ("IN_PROGRESS", M, D, True, None),
        ("IN_PROGRESS", T, D, True, None),
        ("STOP_REQUESTED", M, D, True, None),
        ("ROLLBACK_REQUESTED", M, D, True, None),
        ("ROLLBACK_IN_PROGRESS", T, D, True, None),
        ("SUCCESSFUL", "MONITORING_COMPLETE", D, True, Ending.DEPLOYED),
        ("SUCCESSFUL", M, D, False, Ending.DEPLOYED),
        ("ROLLBACK_SUCCESSFUL", T, D, True, Ending.ROLLED_BACK_BREAKER),
        ("ROLLBACK_SUCCESSFUL", M, T, True, Ending.ROLLED_BACK_ALARM),
        ("ROLLBACK_SUCCESSFUL", M, D, True, Ending.ROLLED_BACK),
        ("ROLLBACK_FAILED", T, D, True, Ending.ROLLBACK_FAILED),
        ("STOPPED", T, D, True, Ending.FAILED),
        ("STOPPED", M, T, True, Ending.FAILED),
        ("STOPPED", M, D, True, Ending.STOPPED),
        ("STOPPED", M, D, False, Ending.SUPERSEDED),
        ("SOMETHING_NEW", M, D, True, None),
    ],
)
def test_service_deployment(status: str, breaker: str, alarms: str, is_newest: bool, ending: Ending | None) -> None:
    """Every status of the API, with the circuit breaker and alarms; an unknown one goes on until the time-out."""
    seen = ServiceDeployment("arn", "revision", status, breaker=breaker, alarms=alarms, triggered_alarms=("a",))
    assert judge_service_deployment(seen, is_newest=is_newest).ending is ending


OURS, BEFORE = "ecs-svc/2", frozenset({"ecs-svc/1"})


def _rollout(key: str, status: str = "PRIMARY", state: str = "IN_PROGRESS", **members: object) -> Rollout:
    return Rollout(key, status, "d", 2, 0, 2, state=state, **members)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("rollouts", "members", "ending"),
    [
        ((_rollout(OURS), _rollout("ecs-svc/1", "ACTIVE", "COMPLETED")), {}, None),
        ((_rollout(OURS, state="COMPLETED"),), {}, Ending.DEPLOYED),
        ((_rollout(OURS, state="FAILED", reason="x"),), {"rolls_back": False}, Ending.FAILED),
        ((_rollout(OURS, state="FAILED", reason="x"),), {"rolls_back": True}, None),
        (
            (_rollout("ecs-svc/1", state="COMPLETED"), _rollout(OURS, "ACTIVE", "FAILED", reason="circuit breaker: x")),
            {},
            Ending.ROLLED_BACK_BREAKER,
        ),
        (
            (_rollout("ecs-svc/1"), _rollout(OURS, "ACTIVE", "FAILED", reason="alarm detected")),
            {},
            Ending.ROLLED_BACK_ALARM,
        ),
        ((_rollout("ecs-svc/1", state="COMPLETED"),), {}, Ending.ROLLED_BACK),
        ((_rollout("ecs-svc/3", reason="ECS deployment rolling back"),), {}, Ending.ROLLED_BACK),
        ((_rollout("ecs-svc/3"), _rollout(OURS, "ACTIVE")), {}, Ending.SUPERSEDED),
        ((), {}, Ending.STOPPED),
        ((_rollout(OURS, state=""),), {"desired": 2}, Ending.DEPLOYED),
        ((_rollout(OURS, state=""),), {"desired": 3}, None),
        ((_rollout(OURS, state=""), _rollout("ecs-svc/1", "ACTIVE", "")), {"desired": 2}, None),
        ((_rollout(OURS),), {"status": "DRAINING"}, Ending.SERVICE_GONE),
    ],
)
def test_rollout(rollouts: tuple[Rollout, ...], members: dict[str, object], ending: Ending | None) -> None:
    """From DescribeServices alone: our id, and what was PRIMARY before; a stable service is not enough."""
    seen = Service("api", rollouts=rollouts, **members)  # type: ignore[arg-type]
    assert judge_rollout(seen, OURS, BEFORE).ending is ending


@pytest.mark.parametrize(
    ("members", "ending"),
    [
        ({"status": "Created"}, None),
        ({"status": "Queued"}, None),
        ({"status": "InProgress"}, None),
        ({"status": "Baking"}, None),
        ({"status": "Ready"}, None),
        ({"status": "Succeeded"}, Ending.DEPLOYED),
        ({"status": "Failed"}, Ending.FAILED),
        ({"status": "Stopped"}, Ending.STOPPED),
        ({"status": "Failed", "rollback_id": "d-2"}, Ending.ROLLED_BACK),
        ({"status": "Stopped", "error_code": "ALARM_ACTIVE", "rollback_id": "d-2"}, Ending.ROLLED_BACK_ALARM),
    ],
)
def test_code_deployment(members: dict[str, str], ending: Ending | None) -> None:
    """Every status of CodeDeploy."""
    assert judge_code_deployment(CodeDeployment("d-1", **members)).ending is ending


def test_only_three_endings_are_success() -> None:
    """A rollback, a stop, a time-out, an unknown end: none is."""
    assert {one for one in Ending if one.is_success} == {Ending.DEPLOYED, Ending.UNCHANGED, Ending.STARTED}


def test_standing_tells_stage_rollback_and_waiting_hooks() -> None:
    """What the progress line shows of a blue/green deployment that waits for a person, and of one going back."""
    seen = ServiceDeployment("a", "r", "IN_PROGRESS", stage="BAKE_TIME", strategy="BLUE_GREEN", requested=2, running=2)
    assert str(service_deployment_standing(seen)) == "2 of 2 tasks run, BAKE_TIME"
    waits = ServiceDeployment(
        "a", "r", "IN_PROGRESS", stage="PRE_SCALE_UP", strategy="CANARY", waiting_hooks=("approve",)
    )
    assert str(service_deployment_standing(waits)).endswith("PRE_SCALE_UP, waits for approve")
    back = ServiceDeployment("a", "r", "ROLLBACK_IN_PROGRESS", requested=1, failures=3)
    assert is_going_back(back)
    assert str(service_deployment_standing(back)) == "0 of 1 tasks run, 3 failed, rolling back"


_RECORDED = Path(__file__).parent / "recorded" / "stopped_reasons.txt"
TEXTS = [line.split("\t") for line in _RECORDED.read_text(encoding="utf-8").splitlines()]
"""Messages as ECS, containerd and runc write them, each after the kind that it means."""


@pytest.mark.parametrize(("kind", "text"), TEXTS)
def test_messages_are_understood(kind: str, text: str) -> None:
    """ECS's, containerd's and runc's own words."""
    assert classify(text) is CauseKind[kind]
    task = Task("a/1", stop_code="TaskFailedToStart", stopped_reason=text)
    assert cause_of(task).kind is CauseKind[kind]
    assert is_failure(task)


@pytest.mark.parametrize(
    ("task", "kind", "text"),
    [
        (
            Task("a/1", stop_code="EssentialContainerExited", containers=(Container("api", 3), Container("b", 0))),
            CauseKind.EXITED,
            "api exited with 3",
        ),
        (
            Task("a/1", stop_code="EssentialContainerExited", containers=(Container("api", 137),)),
            CauseKind.EXITED,
            "api exited with 137 (killed: out of memory, or it ignored SIGTERM)",
        ),
        (
            Task("a/1", stop_code="SpotInterruption", containers=(Container("api", 0),)),
            CauseKind.OTHER,
            "SpotInterruption",
        ),
    ],
)
def test_exit_codes_are_the_cause_where_nothing_else_is_said(task: Task, kind: CauseKind, text: str) -> None:
    """The container and its code; 137 with what it may mean."""
    cause = cause_of(task)
    assert (cause.kind, cause.text) == (kind, text)


def test_tasks_that_a_deployment_stops_are_no_failures() -> None:
    """The scheduler and people stop healthy tasks too; a failed health check is a failure all the same."""
    assert not is_failure(Task("a", stop_code="ServiceSchedulerInitiated", stopped_reason="Scaling activity initiated"))
    assert is_failure(Task("a", stop_code="ServiceSchedulerInitiated", stopped_reason="Task failed ELB health checks"))
    assert not is_failure(Task("a", stop_code="UserInitiated", stopped_reason="Task stopped by user"))


def test_events_that_tell_a_cause() -> None:
    """Most events do not."""
    assert event_cause("(service a) has reached a steady state.") is None
    cause = event_cause("(service a) (task 1) failed container health checks.")
    assert cause is not None
    assert cause.kind is CauseKind.HEALTH


def test_summary_has_the_most_frequent_cause_first() -> None:
    """Each kind once."""
    pulled = Task("a", stop_code="TaskFailedToStart", stopped_reason="CannotPullContainerError: x: not found")
    ended = Task("a", containers=(Container("api", 1),))
    causes = summary([cause_of(task) for task in (ended, pulled, pulled)])
    assert [cause.kind for cause in causes] == [CauseKind.IMAGE_MISSING, CauseKind.EXITED]


@pytest.mark.parametrize(
    ("containers", "watched", "failed"),
    [
        ((Container("m", 0),), "m", ()),
        ((Container("m", 0), Container("side", 1)), "m", ()),
        ((Container("m", 0), Container("side", 1)), None, ("side exited with 1",)),
        ((Container("m", None, "CannotPull"),), "m", ("m never ran: CannotPull",)),
        ((Container("side", 0),), "m", ("m is not part of the task",)),
    ],
)
def test_one_off_task(containers: tuple[Container, ...], watched: str | None, failed: tuple[str, ...]) -> None:
    """No exit code is not 0."""
    essential = frozenset({"m", "side"})
    assert failed_containers(Task("a", containers=containers), watched, essential) == failed


def test_generated_appspec_and_its_hash() -> None:
    """The shape of CodeDeploy's user guide; the hash is of the very text."""
    document = appspec.app_spec("arn:7", "web", 80, "1.4.0")
    text, digest = appspec.content(document)
    properties = json.loads(text)["Resources"][0]["TargetService"]["Properties"]
    assert properties == {
        "TaskDefinition": "arn:7",
        "LoadBalancerInfo": {"ContainerName": "web", "ContainerPort": 80},
        "PlatformVersion": "1.4.0",
    }
    assert digest == hashlib.sha256(text.encode()).hexdigest()


def test_appspec_for_something_else_is_refused() -> None:
    """A Lambda AppSpec, or an empty one, cannot deploy a service."""
    for document in ({}, {"Resources": [{"f": {"Type": "AWS::Lambda::Function", "Properties": {}}}]}):
        with pytest.raises(TaskDefinitionError, match="no AppSpec for ECS"):
            appspec.with_definition(document, "arn:7", "appspec.yaml")
