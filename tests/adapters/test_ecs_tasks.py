"""One-off tasks, sources of task definitions, and checks before a deployment, against doubles of AWS."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from fakes.ecs_shop import DOCUMENT, EcsShop
from fakes.fake_clock import FakeClock
from fakes.fake_ecs import FakeEcs
from fakes.fake_registry import FakeRegistry

from pipeline_kit.adapters.aws.ecs import EcsApi
from pipeline_kit.adapters.aws.ecs_clients import AwsClients
from pipeline_kit.app.clouds import open_cloud, region_of
from pipeline_kit.app.deploy_register import difference, register
from pipeline_kit.app.deploy_verify import check_image, task_platform, verify_definitions
from pipeline_kit.app.one_off import OneOff, Runner, placement
from pipeline_kit.app.session import open_session
from pipeline_kit.app.task_definitions import check, from_files, render_services, services
from pipeline_kit.config import EcsDeployment, Location
from pipeline_kit.errors import (
    AuthenticationFailed,
    AuthorizationDenied,
    AwsRefused,
    AwsUnreachable,
    InputError,
    Interrupted,
    NotSteady,
    TaskFailed,
)
from pipeline_kit.ports.ecs import State
from pipeline_kit.task_definition import ContainerEdit

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


_ARN = "arn:aws:ecs:eu-west-1:111122223333:task-definition"


@pytest.fixture
def shop(tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[EcsShop]:
    """Give a project; AWS's variables lead to the double."""
    with FakeEcs() as ecs, FakeRegistry() as registry:
        ecs.lead(monkeypatch)
        environment = {"PATH": "/usr/bin:/bin", "HOME": str(home), **ecs.environment()}
        made = EcsShop(tmp_path / "shop", ecs, registry, environment)
        made.write()
        yield made
        assert ecs.invalid == []


class _Run:
    """A runner with what it told and logged."""

    def __init__(self, shop: EcsShop) -> None:
        self.told: list[str] = []
        self.logged: list[str] = []
        self.clock = FakeClock()
        self.ecs = EcsApi(AwsClients("eu-west-1"))
        self.arn = shop.ecs.state.family(DOCUMENT)
        self.runner = Runner(self.ecs, "prod", self.clock, self.told.append, self.logged.append)

    def __call__(self, **asked: Any) -> str:
        options = {"launchType": "FARGATE", "networkConfiguration": {"awsvpcConfiguration": {"subnets": ["s-1"]}}}
        return self.runner.run(DOCUMENT, self.arn, options, OneOff(**asked)).id


def _looks(*statuses: str, **last: Any) -> list[dict[str, Any]]:
    return [{"lastStatus": status} for status in statuses] + [{"lastStatus": "STOPPED", **last}]


def test_migration_by_digest_with_its_log(shop: EcsShop) -> None:
    """The command goes to the one container, the log is shown as it comes, exit code 0 is success."""
    run = _Run(shop)
    shop.ecs.state.next_task = _looks("PENDING", "RUNNING", "RUNNING", containers=[{"name": "api", "exitCode": 0}])
    shop.ecs.state.logs["/shop:ecs/api/one-off-0"] = ["applying 0001", "applying 0002"]
    run(command=("migrate", "--to", "a b"), environment={"MODE": "x=y"})
    (asked,) = shop.ecs.asked("RunTask")
    (override,) = asked["overrides"]["containerOverrides"]
    assert override == {
        "name": "api",
        "command": ["migrate", "--to", "a b"],
        "environment": [{"name": "MODE", "value": "x=y"}],
    }
    assert (asked["launchType"], asked["count"]) == ("FARGATE", 1)
    assert run.logged == ["applying 0001", "applying 0002"]
    assert run.told[-1] == "task one-off-0 ended with 0"


@pytest.mark.parametrize(
    ("last", "message"),
    [
        ({"containers": [{"name": "api", "exitCode": 3}]}, "api exited with 3"),
        (
            {
                "containers": [{"name": "api", "reason": "CannotPullContainerError: x: not found"}],
                "stopCode": "TaskFailedToStart",
            },
            "api never ran",
        ),
        ({"containers": []}, "api is not part of the task"),
    ],
)
def test_failed_migration_is_a_failure(shop: EcsShop, last: dict[str, Any], message: str) -> None:
    """An exit code that is not 0, and one that is not there at all."""
    run = _Run(shop)
    shop.ecs.state.next_task = _looks("PENDING", **last)
    with pytest.raises(TaskFailed, match=message):
        run()


def test_task_that_finds_no_place_is_refused(shop: EcsShop) -> None:
    """RunTask answers HTTP 200 with failures."""
    with pytest.raises(AwsRefused, match="was not started: RESOURCE:MEMORY"):
        _Run(shop)()


def test_log_that_may_not_be_read_does_not_fail_the_task(shop: EcsShop) -> None:
    """The exit code counts; that the log is not shown is said once."""
    run = _Run(shop)
    shop.ecs.fail("GetLogEvents", "AccessDeniedException", "not authorized")
    shop.ecs.state.next_task = _looks("RUNNING", "RUNNING", containers=[{"name": "api", "exitCode": 0}])
    run()
    assert sum("its log cannot be read" in line for line in run.told) == 1


def test_task_that_takes_too_long_goes_on(shop: EcsShop) -> None:
    """Time runs out: nothing is stopped."""
    shop.ecs.state.next_task = [{"lastStatus": "RUNNING"}]
    with pytest.raises(NotSteady, match="is RUNNING after 30 s; it goes on"):
        _Run(shop)(timeout=30)


def test_interruption_leaves_the_task_alone(shop: EcsShop) -> None:
    """Its ARN is said, and it is not stopped."""
    run = _Run(shop)
    shop.ecs.state.next_task = [{"lastStatus": "RUNNING"}]

    def interrupt(seconds: float) -> None:
        raise Interrupted(15)

    run.clock.sleep = interrupt  # type: ignore[method-assign]
    with pytest.raises(Interrupted):
        run()
    assert "one-off-0 goes on" in run.told[-1]


def test_command_needs_to_know_its_container(shop: EcsShop) -> None:
    """With two containers, --container says which."""
    run = _Run(shop)
    document = {**DOCUMENT, "containerDefinitions": [{"name": "api"}, {"name": "side"}]}
    with pytest.raises(InputError, match="which container is meant"):
        run.runner.run(document, run.arn, {}, OneOff(command=("x",)))
    with pytest.raises(InputError, match="no container is called 'no'"):
        run.runner.run(document, run.arn, {}, OneOff(container="no"))


def test_task_runs_where_the_service_runs(shop: EcsShop) -> None:
    """Launch type and network are the service's, unless the configuration says otherwise."""
    shop.running()
    shop.write(network={"subnets": ["subnet-9"], "public_ip": True}, launch_type="EC2")
    service = EcsApi(AwsClients("eu-west-1")).services("prod", ["api"])["api"]
    with open_session(shop.root, None, shop.environment) as session:
        ((_, config),) = services(session.project)
    assert placement(config, service) == {
        "launchType": "EC2",
        "networkConfiguration": {
            "awsvpcConfiguration": {"subnets": ["subnet-9"], "securityGroups": [], "assignPublicIp": "ENABLED"}
        },
    }
    shop.write()
    with open_session(shop.root, None, shop.environment) as session:
        ((_, config),) = services(session.project)
    assert placement(config, service) == {
        "launchType": "FARGATE",
        "networkConfiguration": {"awsvpcConfiguration": {"subnets": ["subnet-1"]}},
    }


@pytest.mark.parametrize("source", ["service", "family:shop", "family:shop:1", f"{_ARN}/shop:1"])
def test_definition_comes_from_ecs(shop: EcsShop, source: str) -> None:
    """From what runs, the newest of a family, a revision, an ARN: tags kept, read-only members gone, image set."""
    document = {**DOCUMENT, "tags": [{"key": "team", "value": "a"}]}
    shop.ecs.state.service("api", shop.ecs.state.family(document))
    shop.write(
        task_definition=source,
        containers={"api": {"image": "api", "command": "serve 'a b'", "environment": {"A": None}}},
    )
    with open_session(shop.root, None, shop.environment) as session:
        config = session.project.config
        cloud = open_cloud(config.ecs["prod"], config.registry, shop.environment)
        (rendered,) = render_services(
            session.project,
            services(session.project),
            {"api": shop.image()},
            ecs_of=lambda _: cloud.ecs,
            further={"api": ContainerEdit(labels={"url": "a=b"})},
        )
    made = json.loads(rendered.data)
    (container,) = made["containerDefinitions"]
    assert (container["image"], container["command"]) == (shop.image(), ["serve", "a b"])
    assert container["dockerLabels"] == {"url": "a=b"}
    assert container["environment"] == [{"name": "B", "value": "x=y"}]
    assert made["tags"] == [{"key": "team", "value": "a"}]
    assert not {"taskDefinitionArn", "revision", "status", "registeredAt", "compatibilities"} & set(made)


def test_build_renders_only_what_is_a_file_here(shop: EcsShop) -> None:
    """A build asks nothing of ECS: definitions that live there are left to the ecs commands."""
    written = {"containers": {"api": "api"}}
    shop.configure({"a": {"task_definition": "ecs.json", **written}, "b": {"task_definition": "service", **written}})
    with open_session(shop.root, None, shop.environment) as session:
        check(session.project)
        assert [service.name for _, service in from_files(session.project)] == ["a"]
    assert shop.ecs.log == []


def test_missing_source_is_a_plain_error(shop: EcsShop) -> None:
    """No such family, and no such service."""
    for source, message in (("family:none", "ECS has no task definition none"), ("service", "has no service api")):
        shop.write(task_definition=source)
        with pytest.raises(InputError, match=message):
            _render(shop)


def _render(shop: EcsShop) -> None:
    with open_session(shop.root, None, shop.environment) as session:
        config = session.project.config
        cloud = open_cloud(config.ecs["prod"], config.registry, shop.environment)
        render_services(session.project, services(session.project), {"api": "x"}, ecs_of=lambda _: cloud.ecs)


def test_register_reuses_and_diff_tells(shop: EcsShop) -> None:
    """Equal: the newest revision is printed. Otherwise a new one, and the difference names what changed."""
    ecs = EcsApi(AwsClients("eu-west-1"))
    first = register(ecs, DOCUMENT)
    again = register(ecs, json.loads(json.dumps(DOCUMENT)))
    assert (first.is_new, again.is_new, again.revision.arn) == (True, False, first.revision.arn)
    changed = {**DOCUMENT, "cpu": "512"}
    found, revision = difference(ecs, changed, "shop")
    assert [str(one) for one in found] == ['~ cpu: "256" -> "512"']
    assert revision is not None
    assert revision.name == "shop:1"
    everything, nothing = difference(ecs, changed, "never-registered")
    assert nothing is None
    assert everything
    with pytest.raises(InputError, match="names no family"):
        register(ecs, {"containerDefinitions": []})


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        ("AccessDeniedException", 400, AuthorizationDenied),
        ("ExpiredTokenException", 400, AuthenticationFailed),
        ("UnrecognizedClientException", 400, AuthenticationFailed),
        ("ThrottlingException", 400, AwsUnreachable),
        ("ServerException", 500, AwsUnreachable),
        ("InternalFailure", 503, AwsUnreachable),
        ("ClusterNotFoundException", 400, AwsRefused),
        ("InvalidParameterException", 400, AwsRefused),
    ],
)
def test_failures_of_aws_are_told_apart(
    shop: EcsShop, monkeypatch: pytest.MonkeyPatch, code: str, status: int, kind: type[Exception]
) -> None:
    """Refused, not allowed, not logged in, not answering: four exit codes. What passes is repeated, the rest is not."""
    monkeypatch.setattr("time.sleep", lambda _: None)
    shop.ecs.fail("DescribeClusters", code, "why", status=status)
    with pytest.raises(kind, match=code):
        EcsApi(AwsClients("eu-west-1")).cluster_status("prod")
    assert len(shop.ecs.asked("DescribeClusters")) == (5 if kind is AwsUnreachable else 1)


def test_missing_boto3_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing else works without it."""
    import sys

    monkeypatch.setitem(sys.modules, "boto3", None)
    with pytest.raises(AuthenticationFailed) as caught:
        AwsClients("eu-west-1").client("ecs")
    assert caught.value.hint == "pip install 'pipeline-kit[aws]'"


@pytest.mark.parametrize(
    ("members", "registry", "environ", "expected"),
    [
        ({"region": "eu-north-1"}, "r.example", {"AWS_REGION": "x"}, ("eu-north-1", None)),
        ({"cluster": "arn:aws:ecs:us-west-2:111122223333:cluster/p"}, "r.example", {}, ("us-west-2", None)),
        ({}, "r.example", {"AWS_REGION": "a", "AWS_DEFAULT_REGION": "b"}, ("a", None)),
        ({}, "111122223333.dkr.ecr.eu-west-1.amazonaws.com", {}, (None, "eu-west-1")),
    ],
)
def test_region_is_found(
    members: dict[str, str], registry: str, environ: dict[str, str], expected: tuple[str | None, str | None]
) -> None:
    """Written, in the cluster's ARN, in the environment, else the registry's."""
    deployment = EcsDeployment("prod", members.get("cluster", "prod"), {}, Location("f", 1, 1), members.get("region"))
    assert region_of(deployment, registry, environ) == expected


@pytest.mark.parametrize(
    ("platforms", "wanted", "state"),
    [
        (("linux/amd64",), "linux/amd64", State.PRESENT),
        (("linux/amd64", "linux/arm64"), "linux/arm64", State.PRESENT),
        (("linux/amd64",), "linux/arm64", State.WRONG),
        (("linux/amd64", "linux/arm64"), "windows/amd64", State.WRONG),
        (("linux/arm64",), "", State.PRESENT),
    ],
)
def test_image_is_there_for_the_tasks_platform(
    shop: EcsShop, platforms: tuple[str, ...], wanted: str, state: State
) -> None:
    """Asked from the registry: an index by its platforms, a single image by its config."""
    pushed = shop.registry.put_image("shop/api", "1", platforms)
    with open_session(shop.root, None, shop.environment) as session:
        found = check_image(session.registry, f"{shop.registry.host}/shop/api@{pushed.digest}", wanted)
        missing = check_image(session.registry, shop.image("f"), wanted)
    assert (found.state, missing.state) == (state, State.MISSING)


@pytest.mark.parametrize(
    ("document", "platform"),
    [
        ({}, ""),
        ({"requiresCompatibilities": ["FARGATE"]}, "linux/amd64"),
        ({"runtimePlatform": {"cpuArchitecture": "ARM64", "operatingSystemFamily": "LINUX"}}, "linux/arm64"),
        ({"runtimePlatform": {"operatingSystemFamily": "WINDOWS_SERVER_2022_CORE"}}, "windows/amd64"),
    ],
)
def test_platform_of_a_task(document: dict[str, Any], platform: str) -> None:
    """From runtimePlatform, with Fargate's default; EC2 without one runs what its instances are."""
    assert task_platform(document) == platform


def test_everything_a_task_names_is_looked_up(shop: EcsShop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Roles, secrets, parameters, log groups and files against moto: there, missing, wrong. No value is read."""
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        trust = {"Statement": [{"Effect": "Allow", "Principal": {"Service": "ecs-tasks.amazonaws.com"}}]}
        iam = boto3.client("iam")
        good = iam.create_role(RoleName="good", AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
        wrong = iam.create_role(RoleName="wrong", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
        secret = boto3.client("secretsmanager").create_secret(Name="token", SecretString="hidden")["ARN"]
        boto3.client("ssm").put_parameter(Name="/shop/key", Value="hidden", Type="SecureString")
        boto3.client("logs").create_log_group(logGroupName="/shop")
        document = {
            "executionRoleArn": good,
            "taskRoleArn": wrong,
            "containerDefinitions": [
                {
                    "name": "api",
                    "image": shop.image("f"),
                    "secrets": [
                        {"name": "A", "valueFrom": f"{secret}:key::"},
                        {"name": "B", "valueFrom": "/shop/key"},
                        {"name": "C", "valueFrom": "arn:aws:ssm:eu-west-1:111122223333:parameter/shop/none"},
                        {"name": "D", "valueFrom": "arn:aws:secretsmanager:eu-west-1:1:secret:none-abcdef"},
                    ],
                    "logConfiguration": {"logDriver": "awslogs", "options": {"awslogs-group": "/shop"}},
                },
                {
                    "name": "side",
                    "image": shop.image("f"),
                    "logConfiguration": {"logDriver": "awslogs", "options": {"awslogs-group": "/sho"}},
                    "environmentFiles": [{"value": "arn:aws:s3:::none/x.env", "type": "s3"}],
                },
            ],
        }
        with open_session(shop.root, None, shop.environment) as session:
            config = session.project.config
            cloud = open_cloud(config.ecs["prod"], config.registry, shop.environment)
            checks = verify_definitions(cloud, session.registry, [document, document])
    finally:
        server.stop()
    found = {one.what.partition(" arn:")[0]: one.state for one in checks if one.what.startswith("role")}
    states = [(one.what.split()[0], one.state) for one in checks]
    assert found == {"role": State.WRONG}
    assert states == [
        ("role", State.PRESENT),
        ("role", State.WRONG),
        ("secret", State.PRESENT),
        ("parameter", State.PRESENT),
        ("parameter", State.MISSING),
        ("secret", State.MISSING),
        ("log", State.PRESENT),
        ("image", State.MISSING),
        ("environment", State.MISSING),
        ("log", State.MISSING),
    ], checks
    assert not any("hidden" in str(one) for one in checks)


def test_check_that_is_not_allowed_is_not_missing(shop: EcsShop) -> None:
    """AccessDenied on a look-up says nothing about what is there."""
    shop.ecs.fail("GetLogEvents", "x")
    cloud = open_cloud(EcsDeployment("prod", "prod", {}, Location("f", 1, 1)), "r.example", shop.environment)
    found = cloud.requirements.role("arn:aws:iam::111122223333:role/x")
    assert found.state is State.UNKNOWN
