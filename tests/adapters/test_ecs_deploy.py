"""Deployments against the ECS double, whose every request and answer fits botocore's models."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from fakes.ecs_shop import DOCUMENT, EcsShop
from fakes.fake_ecs import DEPLOYED, FakeEcs, Frame
from fakes.fake_registry import FakeRegistry

from pipeline_kit.deployment.causes import CauseKind
from pipeline_kit.deployment.verdict import Ending
from pipeline_kit.errors import (
    AuthenticationFailed,
    DeploymentFailed,
    InputError,
    Interrupted,
    NotSteady,
    RolledBack,
    TaskDefinitionError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_DENIED = "User: arn:aws:iam::111122223333:role/deployer is not authorized to perform: ecs:ListServiceDeployments"


@pytest.fixture
def shop(tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[EcsShop]:
    """Give a project whose service runs an older image; AWS's variables lead to the double."""
    with FakeEcs() as ecs, FakeRegistry() as registry:
        ecs.lead(monkeypatch)
        made = EcsShop(
            tmp_path / "shop", ecs, registry, {"PATH": "/usr/bin:/bin", "HOME": str(home), **ecs.environment()}
        )
        made.write()
        yield made
        assert ecs.invalid == []


def _stopped(reason: str = "", code: str = "EssentialContainerExited", /, **container: Any) -> dict[str, Any]:
    return {"stoppedReason": reason, "stopCode": code, "containers": [{"name": "api", **container}]}


_PULL = "CannotPullContainerError: pull image manifest has been retried 1 time(s): failed to resolve ref x: not found"
_DENIED_PULL = "CannotPullContainerError: pull access denied for x, repository does not exist or may require login"
_EXEC = "CannotStartContainerError: failed to create task: exec /app: exec format error"
_SECRETS = (
    "ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval failed: "
    "unable to retrieve secret from asm: service call has been retried 1 time(s): ResourceNotFoundException"
)
_LOGS = "ResourceInitializationError: failed to validate logger args: The specified log group does not exist"
_OOM = "OutOfMemoryError: Container killed due to memory usage"
_ELB = "Task failed ELB health checks in (target-group arn:aws:elasticloadbalancing:eu-west-1:1:targetgroup/x/1)"
_ROLE = "(service api) failed to launch a task with (error ECS was unable to assume the role 'arn:aws:iam::1:role/x'"
_NO_PLACE = "(service api) was unable to place a task because no container instance met all of its requirements."


def _breaker(*stopped: dict[str, Any], events: tuple[str, ...] = ()) -> list[Frame]:
    """Return a deployment whose tasks stop, and that the circuit breaker rolls back."""
    why, more = "ECS deployment circuit breaker: tasks failed to start.", stopped[1:]
    return [
        Frame(failures=1, stopped=stopped[:1], events=events),
        Frame("ROLLBACK_IN_PROGRESS", failures=3, breaker="TRIGGERED", stopped=more, reason=why, rollout="FAILED"),
        Frame(
            "ROLLBACK_SUCCESSFUL",
            failures=3,
            pending=0,
            breaker="TRIGGERED",
            reason=why,
            rollback="Service deployment rolled back because of circuit breaker",
            rollout="FAILED",
            primary="before",
        ),
    ]


SCRIPTS: dict[str, tuple[list[Frame], Ending, CauseKind | None]] = {
    "rolling": ([Frame(), Frame(running=1), DEPLOYED], Ending.DEPLOYED, None),
    "circuit breaker": (_breaker(*[_stopped(exitCode=4)] * 3), Ending.ROLLED_BACK_BREAKER, CauseKind.EXITED),
    "image not found": (
        _breaker(*[_stopped(_PULL, "TaskFailedToStart")] * 3),
        Ending.ROLLED_BACK_BREAKER,
        CauseKind.IMAGE_MISSING,
    ),
    "image denied": (
        _breaker(*[_stopped(_DENIED_PULL, "TaskFailedToStart")] * 3),
        Ending.ROLLED_BACK_BREAKER,
        CauseKind.IMAGE_DENIED,
    ),
    "wrong platform": (
        _breaker(*[_stopped(_EXEC, "TaskFailedToStart")] * 3),
        Ending.ROLLED_BACK_BREAKER,
        CauseKind.PLATFORM,
    ),
    "secret missing": (
        _breaker(*[_stopped(_SECRETS, "TaskFailedToStart")] * 3),
        Ending.ROLLED_BACK_BREAKER,
        CauseKind.SECRETS,
    ),
    "log group missing": (
        _breaker(*[_stopped(_LOGS, "TaskFailedToStart")] * 3),
        Ending.ROLLED_BACK_BREAKER,
        CauseKind.LOGGING,
    ),
    "out of memory": (
        _breaker(*[_stopped("Essential container in task exited", exitCode=137, reason=_OOM)] * 3),
        Ending.ROLLED_BACK_BREAKER,
        CauseKind.MEMORY,
    ),
    "health checks": (
        _breaker(*[_stopped(_ELB, "ServiceSchedulerInitiated")] * 3),
        Ending.ROLLED_BACK_BREAKER,
        CauseKind.HEALTH,
    ),
    "role": (_breaker(events=(_ROLE,)), Ending.ROLLED_BACK_BREAKER, CauseKind.ROLE),
    "no place": (_breaker(events=(_NO_PLACE,)), Ending.ROLLED_BACK_BREAKER, CauseKind.CAPACITY),
    "alarm": (
        [
            Frame(running=2, pending=0, alarms="MONITORING"),
            Frame(
                "ROLLBACK_SUCCESSFUL",
                running=0,
                pending=0,
                alarms="TRIGGERED",
                triggered=("errors-5xx",),
                rollback="Service deployment rolled back because of alarm",
                reason="ECS deployment failed: alarm detected.",
                rollout="FAILED",
                primary="before",
            ),
        ],
        Ending.ROLLED_BACK_ALARM,
        None,
    ),
    "replaced": ([Frame(), Frame("STOPPED", primary="other", rollout="")], Ending.SUPERSEDED, None),
    "steady too late": ([Frame(running=1)], Ending.TIMED_OUT, None),
}


@pytest.mark.parametrize(
    ("script", "api"),
    [
        *((script, api) for script in SCRIPTS for api in ("service deployments", "denied")),
        ("rolling", "empty"),
        ("circuit breaker", "empty"),
    ],
)
def test_every_way_a_deployment_ends_is_named(shop: EcsShop, script: str, api: str) -> None:
    """With the ServiceDeployments API and without it: the ending, its cause, and the exit code are the same."""
    frames, ending, cause = SCRIPTS[script]
    service = shop.running(scripts=[frames])
    if api == "denied":
        shop.ecs.fail("ListServiceDeployments", "AccessDeniedException", _DENIED)
    shop.ecs.state.lists_service_deployments = api != "empty"
    report = shop.deploy(timeout=120)
    (result,) = report.results
    assert result.ending is ending, shop.told
    assert [one.kind for one in result.causes] == ([cause] if cause is not None else [])
    assert report.exit_code == (0 if ending is Ending.DEPLOYED else 1)
    failure = result.failure()
    if ending.is_rollback:
        assert isinstance(failure, RolledBack)
        assert "the service runs shop:1, as before" in failure.message
    if ending is Ending.TIMED_OUT:
        assert isinstance(failure, NotSteady)
        assert "the deployment goes on" in failure.message
    if api == "service deployments":
        assert not any("following DescribeServices" in line for line in shop.told)
        assert result.deployment.endswith(
            f"service-deployment/prod/api/{service.deployments[0]['id'].rpartition('/')[2]}"
        )


def test_second_deployment_of_the_same_changes_nothing(shop: EcsShop) -> None:
    """An equal definition is reused and the service left alone: no registration, no update."""
    shop.running()
    first, second = shop.result(), shop.result()
    assert (first.ending, first.is_registered) == (Ending.DEPLOYED, True)
    assert (second.ending, second.is_registered, second.revision) == (Ending.UNCHANGED, False, first.revision)
    assert len(shop.ecs.asked("RegisterTaskDefinition")) == len(shop.ecs.asked("UpdateService")) == 1
    assert first.revision.endswith("task-definition/shop:2")


def test_going_back_to_what_ran_reuses_that_revision(shop: EcsShop) -> None:
    """A rollback by --revision registers nothing and deploys exactly that revision."""
    shop.running()
    shop.result()
    back = shop.result(revision="shop:1")
    assert (back.ending, back.revision.rpartition("/")[2], back.is_registered) == (Ending.DEPLOYED, "shop:1", False)
    assert [call["taskDefinition"].rpartition("/")[2] for call in shop.ecs.asked("UpdateService")] == [
        "shop:2",
        "shop:1",
    ]
    with pytest.raises(InputError, match="no task definition shop:9"):
        shop.deploy(revision="shop:9")
    shop.ecs.state.families["shop"][0]["status"] = "INACTIVE"
    with pytest.raises(InputError, match="shop:1 is INACTIVE"):
        shop.deploy(revision="shop:1")


def test_several_services_are_followed_in_one_wait(shop: EcsShop) -> None:
    """One fails, one is deployed, one was there: each has its own ending, and every round asks once for all."""
    shop.configure({name: {"task_definition": "ecs.json", "containers": {"api": "api"}} for name in ("a", "b", "c")})
    shop.running("a", scripts=[[Frame(), Frame(running=1), DEPLOYED]])
    shop.running("b", scripts=[_breaker(*[_stopped(exitCode=1)] * 3)])
    shop.running("c", digest="a")
    report = shop.deploy()
    assert [result.status for result in report.results] == ["deployed", "rolled_back_breaker", "unchanged"]
    assert report.exit_code == 1
    assert all(len(call["services"]) <= 3 for call in shop.ecs.asked("DescribeServices"))
    assert report.calls["ecs:DescribeServices"] == 1 + 2


def test_deployment_that_a_person_stops_is_a_failure(shop: EcsShop) -> None:
    """StopServiceDeployment without a rollback, and no newer deployment."""
    shop.running(scripts=[[Frame(), Frame("STOPPED", reason="Deployment stopped by user")]])
    result = shop.result()
    assert (result.ending, result.detail) == (Ending.STOPPED, "Deployment stopped by user")


def test_hopeless_deployment_without_a_breaker_is_given_up_early(shop: EcsShop) -> None:
    """Where ECS would try for ever, three tasks that cannot ever start are enough."""
    stopped = _stopped(_PULL, "TaskFailedToStart")
    frames = [Frame(failures=count, stopped=(stopped,), breaker="DISABLED") for count in range(1, 5)]
    shop.running(scripts=[frames], has_breaker=False)
    result = shop.result(timeout=900)
    assert result.ending is Ending.HOPELESS
    assert [one.kind for one in result.causes] == [CauseKind.IMAGE_MISSING]
    assert shop.clock.slept < 60


def test_wrong_platform_is_told_from_the_log(shop: EcsShop) -> None:
    """ECS says only that the container exited with 255; its log says exec format error."""
    name = "/shop:ecs/api/api-2-0"
    shop.ecs.state.logs[name] = ["starting", "exec /bin/server: exec format error"]
    shop.running(scripts=[_breaker(*[_stopped("Essential container in task exited", exitCode=255)] * 3)])
    result = shop.result()
    assert CauseKind.PLATFORM in [one.kind for one in result.causes]
    assert any("exec format error" in line for line in shop.told)


def test_blue_green_shows_its_stages(shop: EcsShop) -> None:
    """ECS's own blue/green: every lifecycle stage is told, and the end counts."""
    stages = ["SCALE_UP", "TEST_TRAFFIC_SHIFT", "PRODUCTION_TRAFFIC_SHIFT", "BAKE_TIME", "CLEAN_UP"]
    shop.running(scripts=[[Frame(running=2, pending=0, stage=stage) for stage in stages] + [DEPLOYED]])
    result = shop.result()
    assert result.ending is Ending.DEPLOYED
    told = "\n".join(shop.told)
    assert all(stage in told for stage in stages[1:])


def test_interruption_leaves_the_service_alone(shop: EcsShop) -> None:
    """The deployment goes on; that is said, and nothing is sent to stop or change it."""
    shop.running(scripts=[[Frame(running=1)]])

    def interrupt(seconds: float) -> None:
        del seconds
        raise Interrupted(2)

    shop.clock.sleep = interrupt  # type: ignore[method-assign]
    with pytest.raises(Interrupted):
        shop.deploy()
    assert shop.told[-1] == "prod/api: not waited for any longer: the deployment goes on (1 of 2 tasks run, 1 pending)"
    assert len(shop.ecs.asked("UpdateService")) == 1


def test_next_run_goes_on_with_a_deployment_under_way(shop: EcsShop) -> None:
    """After an interruption or a time-out the same command waits for the same deployment."""
    shop.running(scripts=[[Frame(running=1)] * 4 + [DEPLOYED]])
    assert shop.result(timeout=1).ending is Ending.TIMED_OUT
    result = shop.result()
    assert result.ending is Ending.DEPLOYED
    assert len(shop.ecs.asked("UpdateService")) == 1
    assert any("under way already" in line for line in shop.told)


def test_no_wait_only_starts(shop: EcsShop) -> None:
    """Nothing is asked after the order."""
    shop.running()
    result = shop.result(wait=False)
    assert (result.ending, result.failure()) == (Ending.STARTED, None)
    assert shop.ecs.log[-1][0] == "UpdateService"


def test_force_deploys_what_runs_already(shop: EcsShop) -> None:
    """A new deployment of an equal revision, as after a secret changed."""
    shop.running(digest="a")
    assert shop.result().ending is Ending.UNCHANGED
    assert shop.result(force=True).ending is Ending.DEPLOYED
    assert shop.ecs.asked("UpdateService")[0]["forceNewDeployment"] is True


def test_throttling_and_short_outages_are_sat_out(shop: EcsShop) -> None:
    """Botocore repeats what was throttled; rounds without any answer are repeated, and the deployment still counts."""
    shop.running()
    shop.ecs.fail("DescribeServiceDeployments", "ThrottlingException", "Rate exceeded", times=2)
    assert shop.result().ending is Ending.DEPLOYED


def test_lost_credentials_leave_the_end_unknown(shop: EcsShop) -> None:
    """An expired token in mid-deployment: not a failure of the service, and no success."""
    shop.running(scripts=[[Frame()]])
    sleep = shop.clock.sleep

    def expire(seconds: float) -> None:
        shop.ecs.fail(
            "DescribeServices", "ExpiredTokenException", "The security token included in the request is expired"
        )
        sleep(seconds)

    shop.clock.sleep = expire  # type: ignore[method-assign]
    report = shop.deploy()
    (result,) = report.results
    assert result.ending is Ending.UNKNOWN
    assert isinstance(result.failure(), AuthenticationFailed)
    assert report.exit_code == 3
    assert "the deployment goes on" in result.detail


def test_nothing_is_touched_where_the_place_is_missing(shop: EcsShop) -> None:
    """A cluster or service that is not there fails before anything is registered."""
    with pytest.raises(DeploymentFailed, match="service api: missing"):
        shop.deploy()
    shop.ecs.state.clusters.clear()
    with pytest.raises(DeploymentFailed, match="cluster prod: missing"):
        shop.deploy()
    assert shop.ecs.asked("RegisterTaskDefinition") == []


def test_refused_order_is_this_services_failure_alone(shop: EcsShop) -> None:
    """ECS refuses one update; the answer is shown, and the exit code is 1."""
    shop.running()
    shop.ecs.fail(
        "UpdateService", "InvalidParameterException", "The container api does not exist in the task definition."
    )
    report = shop.deploy()
    assert report.results[0].ending is Ending.REFUSED
    assert "The container api does not exist" in report.results[0].detail
    assert report.exit_code == 1


def test_codedeploy_gets_a_generated_appspec(shop: EcsShop) -> None:
    """Container and port come from the service's load balancer, names from CodeDeploy's defaults, SHA-256 beside."""
    import hashlib
    import json

    shop.running(controller="CODE_DEPLOY", load_balancers=[{"containerName": "api", "containerPort": 8080}])
    shop.ecs.state.code_deployments = [{"status": "Created"}, {"status": "InProgress"}, {"status": "Succeeded"}]
    result = shop.result()
    assert (result.ending, result.deployment) == (Ending.DEPLOYED, "d-EXAMPLE111")
    (asked,) = shop.ecs.asked("CreateDeployment")
    assert (asked["applicationName"], asked["deploymentGroupName"]) == ("AppECS-prod-api", "DgpECS-prod-api")
    content = asked["revision"]["appSpecContent"]
    assert content["sha256"] == hashlib.sha256(content["content"].encode()).hexdigest()
    (resource,) = json.loads(content["content"])["Resources"]
    assert resource["TargetService"]["Properties"] == {
        "TaskDefinition": result.revision,
        "LoadBalancerInfo": {"ContainerName": "api", "ContainerPort": 8080},
    }
    assert shop.ecs.asked("UpdateService") == []


@pytest.mark.parametrize(
    ("look", "ending"),
    [
        ({"status": "Failed", "errorInformation": {"code": "HEALTH_CONSTRAINTS", "message": "x"}}, Ending.FAILED),
        ({"status": "Stopped"}, Ending.STOPPED),
        (
            {"status": "Stopped", "rollbackInfo": {"rollbackDeploymentId": "d-2", "rollbackMessage": "back"}},
            Ending.ROLLED_BACK,
        ),
        (
            {
                "status": "Stopped",
                "errorInformation": {"code": "ALARM_ACTIVE", "message": "x"},
                "rollbackInfo": {"rollbackDeploymentId": "d-2"},
            },
            Ending.ROLLED_BACK_ALARM,
        ),
        ({"status": "Ready"}, Ending.TIMED_OUT),
    ],
)
def test_codedeploy_failures_are_named(shop: EcsShop, look: dict[str, Any], ending: Ending) -> None:
    """Failed, stopped, rolled back, by an alarm, or waiting for somebody to shift the traffic."""
    shop.running(controller="CODE_DEPLOY", load_balancers=[{"containerName": "api", "containerPort": 8080}])
    shop.ecs.state.code_deployments = [{"status": "InProgress"}, look]
    assert shop.result(timeout=60).ending is ending


def test_codedeploy_keeps_the_hooks_of_a_given_appspec(shop: EcsShop) -> None:
    """A file of the user's is taken, its task definition replaced whatever the case of its keys."""
    text = "version: 0.0\nresources:\n  - TargetService:\n      type: AWS::ECS::Service\n      properties:\n"
    text += (
        "        taskDefinition: <TASK_DEFINITION>\n        loadBalancerInfo: {containerName: api, containerPort: 1}\n"
    )
    text += "hooks:\n  - BeforeAllowTraffic: check\n"
    (shop.root / "appspec.yaml").write_text(text)
    shop.write(codedeploy={"application": "app", "deployment_group": "group", "appspec": "appspec.yaml"})
    shop.running(controller="CODE_DEPLOY")
    shop.ecs.state.code_deployments = [{"status": "Succeeded"}]
    result = shop.result()
    content = shop.ecs.asked("CreateDeployment")[0]["revision"]["appSpecContent"]["content"]
    assert result.revision in content
    assert "BeforeAllowTraffic" in content
    assert "<TASK_DEFINITION>" not in content


def test_rules_and_schedules_follow_the_revision(shop: EcsShop) -> None:
    """Targets of the family start the new revision; other targets and all other members stay as they are."""
    shop.write(type="task", events=["nightly"], schedules=["hourly"])
    shop.running("another")
    old = "arn:aws:ecs:eu-west-1:111122223333:task-definition/shop:1"
    other = "arn:aws:ecs:eu-west-1:111122223333:task-definition/other:4"

    def target(key: str, definition: str) -> dict[str, Any]:
        return {"Id": key, "Arn": "arn:aws:ecs:x", "Input": "{}", "EcsParameters": {"TaskDefinitionArn": definition}}

    shop.ecs.state.targets["nightly"] = [target("1", old), target("2", other)]
    schedule: dict[str, Any] = {
        "Name": "hourly",
        "ScheduleExpression": "rate(1 hour)",
        "FlexibleTimeWindow": {"Mode": "OFF"},
        "Target": {"Arn": "x", "RoleArn": "y", "EcsParameters": {"TaskDefinitionArn": old, "TaskCount": 2}},
        "Description": "kept",
    }
    shop.ecs.state.schedules["hourly"] = schedule
    result = shop.result()
    assert (result.ending, result.targets) == (Ending.DEPLOYED, ("rule nightly", "schedule hourly"))
    assert shop.ecs.state.targets["nightly"] == [target("1", result.revision), target("2", other)]
    parameters = {"TaskDefinitionArn": result.revision, "TaskCount": 2}
    assert shop.ecs.state.schedules["hourly"]["Target"] == {**schedule["Target"], "EcsParameters": parameters}
    assert shop.ecs.state.schedules["hourly"]["Description"] == "kept"
    assert shop.result().targets == ()
    assert len(shop.ecs.asked("PutTargets")) == len(shop.ecs.asked("UpdateSchedule")) == 1


def test_schedule_of_another_family_is_refused(shop: EcsShop) -> None:
    """A rule that starts something else is not touched, and the run fails."""
    shop.write(type="task", events=["nightly"])
    shop.ecs.state.targets["nightly"] = [{"Id": "1", "Arn": "x", "EcsParameters": {"TaskDefinitionArn": "a/other:1"}}]
    result = shop.result()
    assert result.ending is Ending.REFUSED
    assert "no target of the family shop" in result.detail


def test_definition_that_does_not_fit_the_model_is_refused_before_it_is_sent(shop: EcsShop) -> None:
    """The SDK's own validation speaks; nothing was registered."""
    shop.write({**DOCUMENT, "containerDefinitions": [{"name": "api", "portMappings": [{"containerPort": "many"}]}]})
    shop.running()
    with pytest.raises(TaskDefinitionError, match="containerPort"):
        shop.deploy()


def test_unknown_members_are_sent_and_come_back(shop: EcsShop) -> None:
    """A member that this SDK does not know is registered, and does not make the next run register again."""
    shop.ecs.state.allows_unknown = True
    shop.write({**DOCUMENT, "futureMember": {"x": [1]}})
    shop.running()
    shop.result()
    assert shop.ecs.asked("RegisterTaskDefinition")[0]["futureMember"] == {"x": [1]}
    assert shop.result().ending is Ending.UNCHANGED
    assert any("the SDK does not know futureMember" in line for line in shop.told)
