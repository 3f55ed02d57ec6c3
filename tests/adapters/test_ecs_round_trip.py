"""describe -> render -> diff on definitions generated from botocore's model: nothing is lost, nothing is invented."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import pytest
from fakes.definitions import definition, leaves
from fakes.fake_ecs import FakeEcs, service_model

from pipeline_kit.adapters.aws.ecs import EcsApi
from pipeline_kit.adapters.aws.ecs_clients import AwsClients
from pipeline_kit.adapters.aws.ecs_model import task_definition_shapes
from pipeline_kit.app.deploy_register import register
from pipeline_kit.task_definition import ContainerEdit, apply_edits, compare

if TYPE_CHECKING:
    from collections.abc import Iterator

DEFINITIONS = 40
"""Ten with every member that botocore knows, the others with a random choice of them."""


@pytest.fixture(scope="module")
def ecs() -> Iterator[EcsApi]:
    """Give the adapter on one double."""
    with FakeEcs() as fake, pytest.MonkeyPatch.context() as patch:
        fake.lead(patch)
        clients = AwsClients("eu-west-1")
        clients.client("ecs")  # reads the credentials now: each test begins with a clean environment
        api = EcsApi(clients)
        yield api
        assert fake.invalid == []


def _made(seed: int) -> dict[str, Any]:
    return definition(seed, everything=seed < 10)


@pytest.mark.parametrize("seed", range(DEFINITIONS))
def test_round_trip_loses_and_invents_nothing(ecs: EcsApi, seed: int) -> None:
    """Registered, described by a server that fills in and reorders, rendered: equal, every value still there."""
    made = _made(seed)
    name = f"{made['containerDefinitions'][0]['name']}"
    first = ecs.register(made)
    described = ecs.describe(first.arn)
    assert described is not None
    rendered = apply_edits(described.document, {name: ContainerEdit()}, "x")
    assert compare(made, rendered) == ()
    assert compare(described.document, rendered) == ()
    missing = [path for path in _shape_of(made) if path not in _shape_of(rendered)]
    assert missing == []
    again = register(ecs, rendered)
    assert (again.is_new, again.revision.arn) == (False, first.arn)


def _shape_of(document: dict[str, Any]) -> set[tuple[Any, ...]]:
    """Return the members with their values, places in lists left out: the server gives some in another order."""
    return {(*(part for part in path if not isinstance(part, int)), value) for path, value in leaves(document)}


def test_every_member_of_the_model_is_generated() -> None:
    """The definitions above cover RegisterTaskDefinition whole."""
    covered = {tuple(part for part in path if not isinstance(part, int)) for path, _ in leaves(_made(0))}
    shape = service_model("ecs").operation_model("RegisterTaskDefinition").input_shape
    missing = [path for path in _members(shape, ()) if not any(one[: len(path)] == path for one in covered)]
    assert missing == []


def _members(shape: Any, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    if shape.type_name == "list":
        yield from _members(shape.member, path)
    elif shape.type_name == "structure":
        for name, member in shape.members.items():
            yield (*path, name)
            yield from _members(member, (*path, name))


@pytest.mark.parametrize("seed", range(3))
def test_every_single_change_is_seen(seed: int) -> None:
    """Whichever value of a full definition is changed, the comparison tells it."""
    made = _made(seed)
    unseen = []
    for path, value in leaves(made):
        changed = copy.deepcopy(made)
        place = changed
        for part in path[:-1]:
            place = place[part]
        place[path[-1]] = (
            (not value) if isinstance(value, bool) else f"{value}9" if isinstance(value, str) else value + 1
        )
        if not compare(made, changed):
            unseen.append(path)
    assert unseen == []


def _other(value: Any) -> Any:
    if isinstance(value, bool):
        return not value
    return f"{value}9" if isinstance(value, str) else value + 1


def test_read_only_members_are_the_models_own() -> None:
    """What is stripped is the difference of two shapes: nine members with the SDK of 2026."""
    assert {"compatibilities", "registeredAt", "registeredBy", "requiresAttributes", "revision", "status"} < (
        task_definition_shapes().read_only
    )
    assert "tags" not in task_definition_shapes().read_only
    assert "deleteRequestedAt" in task_definition_shapes().read_only
