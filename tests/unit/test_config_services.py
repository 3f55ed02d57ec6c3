"""``deploy.ecs`` services: sources, what is set in containers, and what is refused, with its place."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pipeline_kit.config import ContainerChanges, Network, PathKind, load
from pipeline_kit.config.render import resolved
from pipeline_kit.config.schema import schema
from pipeline_kit.errors import ConfigError

HEAD = "version: 1\nproject: shop\nregistry: ghcr.io/acme\nimages:\n  api: {context: api}\n"
_ARN = "arn:aws:ecs:eu-west-1:111122223333:task-definition/a:7"
_CHINA = "arn:aws-cn:ecs:cn-north-1:111122223333:task-definition/a"
DEPLOY = "deploy:\n  ecs:\n    prod:\n      cluster: prod\n      services:\n        api:\n"


def _load(service: str, *, images: str = HEAD) -> Any:
    text = images + DEPLOY + "".join(f"          {line}\n" for line in service.strip().split("\n"))
    return load(text.encode(), "pipeline-kit.yaml", environ={}, exists=_exists)


def _exists(path: str) -> PathKind:
    if path in ("api", "."):
        return PathKind.DIRECTORY
    return PathKind.FILE if path.startswith(("ecs", "api/")) or path == "service" else PathKind.MISSING


def _service(service: str) -> Any:
    return _load(service).ecs["prod"].services["api"]


@pytest.mark.parametrize(
    ("written", "source", "definition"),
    [
        ("ecs/api.json", "file", "ecs/api.json"),
        ("ecs.yaml", "file", "ecs.yaml"),
        ("./service", "file", "service"),
        ("service", "service", "service"),
        ("family:shop-api", "family", "shop-api"),
        ("family:shop-api:7", "family", "shop-api:7"),
        (_ARN, "family", _ARN),
        (_CHINA, "family", _CHINA),
    ],
)
def test_source_of_a_task_definition(written: str, source: str, definition: str) -> None:
    """A path, what the service runs, a family, a revision, an ARN."""
    service = _service(f"task_definition: '{written}'\ncontainers: {{api: api}}")
    assert (service.source, service.task_definition) == (source, definition)


def test_everything_that_can_be_set() -> None:
    """A container as a mapping: values keep every '=', commands are split as a shell does, ~ removes."""
    service = _service(
        """\
task_definition: ecs/api.json
service: shop-api
family: shop
timeout: 20m
launch_type: FARGATE
events: [nightly, bus/hourly]
schedules: [group/daily]
network: {subnets: [subnet-1], security_groups: [sg-1], public_ip: true}
codedeploy: {application: a, deployment_group: g, appspec: ecs/appspec.yaml, container: api, port: 80}
containers:
  api:
    image: api
    command: sh -c 'echo "a b"; exit'
    entry_point: [/init, --]
    environment: {URL: "http://h/?a=1&b=2", DEBUG: ~}
    secrets: {TOKEN: "arn:aws:ssm:eu-west-1:111122223333:parameter/token"}
    labels: {url: "http://h/?a=1&b=2"}
    log_driver: awslogs
    log_options: {awslogs-group: /shop, tag: "a=b=c"}
  proxy: {labels: {a: b}}
"""
    )
    assert dict(service.containers) == {"api": "api"}
    assert service.changes["api"] == ContainerChanges(
        environment={"URL": "http://h/?a=1&b=2", "DEBUG": None},
        secrets={"TOKEN": "arn:aws:ssm:eu-west-1:111122223333:parameter/token"},
        command=("sh", "-c", 'echo "a b"; exit'),
        entry_point=("/init", "--"),
        labels={"url": "http://h/?a=1&b=2"},
        log_driver="awslogs",
        log_options={"awslogs-group": "/shop", "tag": "a=b=c"},
    )
    assert service.changes["proxy"] == ContainerChanges(labels={"a": "b"})
    assert (service.service, service.family, service.timeout, service.launch_type) == (
        "shop-api",
        "shop",
        1200,
        "FARGATE",
    )
    assert (service.events, service.schedules) == (("nightly", "bus/hourly"), ("group/daily",))
    assert service.network == Network(("subnet-1",), ("sg-1",), public_ip=True)
    assert (service.codedeploy.appspec, service.codedeploy.port) == ("ecs/appspec.yaml", 80)


def test_resolved_configuration_reads_back_the_same() -> None:
    """What ``config`` prints is the same configuration, valid by the schema; a literal secret is not printed."""
    import jsonschema

    text = """\
task_definition: ./service
type: task
containers:
  api: {image: api, environment: {A: "1", DB_PASSWORD: hunter2}, command: [a, "b c"]}
"""
    config = _load(text)
    document = resolved(config)
    jsonschema.validate(document, schema())
    assert "hunter2" not in json.dumps(document)
    again = load(json.dumps(document).encode(), "x.json", environ={}, exists=_exists)
    assert resolved(again) == document
    assert again.ecs["prod"].services["api"].is_task
    assert [warning.line for warning in config.warnings] == [15]


@pytest.mark.parametrize(
    ("service", "where", "message"),
    [
        ("task_definition: family:a b\ncontainers: {api: api}", "12:28", "names no family"),
        (
            "task_definition: arn:aws:ecs:x:task-definition/a\ncontainers: {api: api}",
            "12:28",
            "no task definition's ARN",
        ),
        ("task_definition: none.json\ncontainers: {api: api}", "12:28", "does not exist"),
        ("task_definition: service\ntype: task\ncontainers: {api: api}", "12:28", "this is a task"),
        ("task_definition: ecs.json\ncontainers: {api: {imge: api}}", "13:30", "unknown key 'imge'"),
        ("task_definition: ecs.json\ncontainers: {api: {env: {A: b}}}", "13:30", "did you mean 'environment'"),
        ("task_definition: ecs.json\ncontainers: {api: {}}", "13:29", "this container gets nothing"),
        ("task_definition: ecs.json\ncontainers: {api: {image: apo}}", "13:37", "'apo' is not one of 'images'"),
        ('task_definition: ecs.json\ncontainers: {api: {command: "a \'b"}}', "13:39", "quote that is not closed"),
        ("task_definition: ecs.json\ncontainers: {api: {environment: {A: 1}}}", "13:47", "must be quoted"),
        (
            "task_definition: ecs.json\ncontainers: {api: {environment: {A: b}, secrets: {A: arn}}}",
            "13:29",
            "stands in 'environment' and in 'secrets'",
        ),
        ("task_definition: ecs.json\ncontainers: {api: api}\ntimeout: soon", "14:20", "is not an age"),
        ("task_definition: ecs.json\ncontainers: {api: api}\nlaunch_type: fargate", "14:24", "did you mean 'FARGATE'"),
        ("task_definition: ecs.json\ncontainers: {api: api}\nnetwork: {}", "14:20", "'subnets' is missing"),
    ],
)
def test_mistakes_are_told_with_their_place(service: str, where: str, message: str) -> None:
    """file:line:column, and a suggestion where there is one."""
    with pytest.raises(ConfigError) as caught:
        _load(service)
    told = [str(problem) for problem in caught.value.problems]
    assert any(one.startswith(f"pipeline-kit.yaml:{where}: ") and message in one for one in told), told
