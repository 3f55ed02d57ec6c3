"""Reading task definitions of either form, editing containers, and comparing by meaning."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_kit.adapters.aws.ecs_model import task_definition_shapes
from pipeline_kit.errors import TaskDefinitionError
from pipeline_kit.task_definition import (
    ContainerEdit,
    apply_edits,
    as_request,
    compare,
    read_definition,
    split_command,
    unknown_members,
)

SHAPES = task_definition_shapes()
YAML = """\
family: shop
cpu: 256           # a number where ECS wants text
memory: "512"
tags: [{key: team, value: shop}]
containerDefinitions:
  - name: api
    image: &image registry.example/api:1
    cpu: "10"
    essential: true
    environment:
      - {name: PORT, value: 8080}
      - {name: VERSION, value: 1.10}
  - {name: proxy, image: *image, memory: 64}
"""
DOCUMENT: dict[str, Any] = {
    "family": "shop",
    "containerDefinitions": [
        {
            "name": "api",
            "image": "later",
            "environment": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}],
            "secrets": [{"name": "TOKEN", "valueFrom": "arn:aws:ssm:eu-west-1:1:parameter/token"}],
            "logConfiguration": {"logDriver": "awslogs", "options": {"awslogs-group": "/shop"}},
        },
        {"name": "proxy", "image": "proxy:1"},
    ],
}


def test_yaml_is_read_by_the_model() -> None:
    """Where ECS wants text, numbers are taken as written (1.10 stays 1.10); where it wants a number, text is read."""
    document = read_definition(YAML.encode(), "ecs/api.yaml", SHAPES)
    api, proxy = document["containerDefinitions"]
    assert (document["cpu"], document["memory"], api["cpu"], api["essential"]) == ("256", "512", 10, True)
    assert [entry["value"] for entry in api["environment"]] == ["8080", "1.10"]
    assert (proxy["image"], proxy["memory"]) == ("registry.example/api:1", 64)
    assert document["tags"] == [{"key": "team", "value": "shop"}]


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("family: a\nfamily: b\n", "2:1"),
        ("family: shop\ncontainerDefinitions:\n  - name: api\n    environment: [{name: A, value: on}]\n", "4:36"),
        ("family: shop\ncontainerDefinitions:\n  - name: api\n    environment: [{name: A, value: true}]\n", "4:36"),
        ("family: !!python/object:os.system x\n", "1:9"),
        ("a: [\n", "2:1"),
    ],
)
def test_yaml_surprises_are_refused_with_their_place(text: str, where: str) -> None:
    """YAML 1.1's booleans, keys written twice, tags and broken syntax: file:line:column."""
    with pytest.raises(TaskDefinitionError, match=rf"^t\.yaml:{where}: "):
        read_definition(text.encode(), "t.yaml", SHAPES)


def test_json_is_read_by_the_model() -> None:
    """Numbers where text is meant keep their spelling, text where a number is meant is read, a boolean is refused."""
    text = '{"family": "f", "cpu": 1024, "containerDefinitions": [{"name": "a", "memory": "128", "environment": [%s]}]}'
    document = read_definition((text % '{"name": "N", "value": 1.50}').encode(), "t.json", SHAPES)
    assert document["cpu"] == "1024"
    assert document["containerDefinitions"][0]["memory"] == 128
    assert document["containerDefinitions"][0]["environment"][0]["value"] == "1.50"
    with pytest.raises(TaskDefinitionError, match=r'^t\.json:1:\d+: true where text is meant \(write "true"\)'):
        read_definition((text % '{"name": "N", "value": true}').encode(), "t.json", SHAPES)


def test_described_definition_becomes_a_request() -> None:
    """The wrapper is taken off, read-only members go, tags move inside, AWS's own tags stay out."""
    described = {
        "taskDefinition": {**DOCUMENT, "revision": 3, "status": "ACTIVE", "taskDefinitionArn": "x", "future": 1},
        "tags": [{"key": "team", "value": "a"}, {"key": "aws:cloudformation:stack-name", "value": "s"}],
    }
    document = read_definition(json.dumps(described).encode(), "t.json", SHAPES)
    assert document == {**DOCUMENT, "future": 1, "tags": [{"key": "team", "value": "a"}]}
    assert unknown_members(document, SHAPES.request) == ("future",)
    assert as_request(document, SHAPES) == document


def test_every_kind_of_edit() -> None:
    """Values with '=' stay whole, a variable takes the place of a secret of its name, None removes."""
    edit = ContainerEdit(
        image="api@sha256:1",
        environment={"A": None, "B": "x=y=z", "NEW": "", "TOKEN": "plain"},
        secrets={"KEY": "arn:aws:ssm:eu-west-1:1:parameter/key"},
        command=split_command("sh -c 'echo \"a b\"; exit'"),
        labels={"url": "http://h/?a=1&b=2"},
        log_options={"awslogs-stream-prefix": "ecs", "tag": "a=b"},
    )
    api, proxy = apply_edits(DOCUMENT, {"api": edit}, "t")["containerDefinitions"]
    assert api["environment"] == [
        {"name": "B", "value": "x=y=z"},
        {"name": "NEW", "value": ""},
        {"name": "TOKEN", "value": "plain"},
    ]
    assert api["secrets"] == [{"name": "KEY", "valueFrom": "arn:aws:ssm:eu-west-1:1:parameter/key"}]
    assert api["command"] == ["sh", "-c", 'echo "a b"; exit']
    assert api["dockerLabels"] == {"url": "http://h/?a=1&b=2"}
    assert api["logConfiguration"]["options"] == {
        "awslogs-group": "/shop",
        "awslogs-stream-prefix": "ecs",
        "tag": "a=b",
    }
    assert proxy == DOCUMENT["containerDefinitions"][1]


def test_edit_of_an_unknown_container_names_the_known_ones() -> None:
    """A misspelt container is an error with a suggestion."""
    with pytest.raises(TaskDefinitionError, match="no container is called 'apo'") as caught:
        apply_edits(DOCUMENT, {"apo": ContainerEdit(image="x")}, "t")
    assert caught.value.hint == "did you mean 'api'?"


def test_edits_lie_on_top_of_each_other() -> None:
    """The command line's edits win over the configuration's; maps are joined."""
    below = ContainerEdit(image="a", environment={"A": "1", "B": "1"}, command=("x",))
    above = ContainerEdit(environment={"B": "2"}, labels={"l": "1"})
    assert above.over(below) == ContainerEdit(
        image="a", environment={"A": "1", "B": "2"}, command=("x",), labels={"l": "1"}
    )


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ({"cpu": 0, "essential": True, "environment": [], "mountPoints": [], "volumesFrom": []}, {}),
        (
            {"portMappings": [{"containerPort": 80, "hostPort": 80, "protocol": "tcp"}]},
            {"portMappings": [{"containerPort": 80}]},
        ),
        (
            {"environment": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]},
            {"environment": [{"name": "B", "value": "2"}, {"name": "A", "value": "1"}]},
        ),
        (
            {"healthCheck": {"command": ["CMD", "x"], "interval": 30, "timeout": 5, "retries": 3}},
            {"healthCheck": {"command": ["CMD", "x"]}},
        ),
        ({"readonlyRootFilesystem": False, "linuxParameters": {"capabilities": {"add": [], "drop": []}}}, {}),
        (
            {"linuxParameters": {"capabilities": {"drop": ["ALL", "X"]}}},
            {"linuxParameters": {"capabilities": {"drop": ["X", "ALL"]}}},
        ),
        ({"dependsOn": []}, {"dependsOn": None}),
    ],
)
def test_what_means_the_same_is_equal(old: dict[str, Any], new: dict[str, Any]) -> None:
    """Server defaults, empty lists and order that means nothing make no difference."""

    def whole(container: dict[str, Any]) -> dict[str, Any]:
        return {"networkMode": "awsvpc", "containerDefinitions": [{"name": "api", **container}]}

    assert compare(whole(old), whole(new)) == ()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ({"command": ["a", "b"]}, {"command": ["b", "a"]}),
        ({"essential": False}, {}),
        ({"portMappings": [{"containerPort": 80, "protocol": "udp"}]}, {"portMappings": [{"containerPort": 80}]}),
        ({"environment": [{"name": "A", "value": ""}]}, {}),
        ({"dnsServers": ["1.1.1.1", "8.8.8.8"]}, {"dnsServers": ["8.8.8.8", "1.1.1.1"]}),
        ({"environmentFiles": [{"value": "a", "type": "s3"}]}, {}),
    ],
)
def test_what_means_something_else_differs(old: dict[str, Any], new: dict[str, Any]) -> None:
    """Order of a command, an essential container, another protocol, an empty variable."""

    def whole(container: dict[str, Any]) -> dict[str, Any]:
        return {"containerDefinitions": [{"name": "api", **container}]}

    assert compare(whole(old), whole(new)) != ()


def test_sizes_are_compared_as_ecs_gives_them_back() -> None:
    """0.5 vCPU is 512 units, 1 GB is 1024 MiB, and a number equals its text."""
    assert compare({"cpu": "0.5 vCPU", "memory": "1 GB"}, {"cpu": 512, "memory": "1024"}) == ()


def test_differences_are_told_by_name_and_hide_secrets() -> None:
    """Paths name containers and variables; what looks like a secret is not shown."""
    new = apply_edits(
        DOCUMENT,
        {"api": ContainerEdit(image="new", environment={"A": None, "DB_PASSWORD": "hunter2", "C": "3"})},
        "t",
    )
    assert [str(one) for one in compare(DOCUMENT, new)] == [
        '- containerDefinitions[api].environment[A].value: "1"',
        '+ containerDefinitions[api].environment[C].value: "3"',
        "+ containerDefinitions[api].environment[DB_PASSWORD].value: ***",
        '~ containerDefinitions[api].image: "later" -> "new"',
    ]
    assert "hunter2" not in json.dumps([one.document() for one in compare(DOCUMENT, new)])


@given(st.lists(st.text(min_size=1, max_size=12), min_size=1, max_size=6))
def test_command_splitting_is_the_shells(words: list[str]) -> None:
    """Whatever words a shell would quote come back as they were."""
    import shlex

    assert split_command(shlex.join(words)) == tuple(words)
