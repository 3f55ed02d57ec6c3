"""IAM policies as JSON: what they allow, what is wrong with them, and which rights requests need.

What an action can be scoped to comes from AWS's service authorization reference, as cfn-lint carries it.
"""

from __future__ import annotations

import json
import re
from fnmatch import fnmatchcase
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

    from fakes.aws_front import Call

ACCOUNT, REGION = "111122223333", "eu-west-1"
_DOUBLES_ACCOUNT = "000000000000"
_AT = f"{REGION}:{ACCOUNT}"
_PLACEHOLDER = re.compile(r"<[A-Z_]+>")
_WITHOUT_IAM = frozenset({"sts:GetCallerIdentity"})


def read_policy(path: Path, values: Mapping[str, str]) -> dict[str, Any]:
    """Read a policy with its ``<PLACEHOLDERS>`` filled in; every one has to have a value."""
    text = path.read_text(encoding="utf-8")
    for name, value in values.items():
        text = text.replace(f"<{name}>", value)
    assert _PLACEHOLDER.findall(text) == []
    policy: dict[str, Any] = json.loads(text)
    return policy


def granted(policy: Mapping[str, Any]) -> set[str]:
    """Return the actions that a policy allows."""
    return {action for statement in policy["Statement"] for action in _several(statement["Action"])}


def allows(policy: Mapping[str, Any], action: str, resource: str) -> bool:
    """Return whether a policy of Allow statements allows an action on a resource; conditions are taken as met."""
    return any(
        action in _several(statement["Action"])
        and any(fnmatchcase(resource, pattern) for pattern in _several(statement.get("Resource", "*")))
        for statement in policy["Statement"]
    )


def problems(policy: Mapping[str, Any], *, is_resource_policy: bool = False) -> list[str]:
    """Return what is not IAM's grammar, and what is granted more widely than the action can be scoped."""
    found = [f"{key} is not known" for key in policy if key not in ("Version", "Statement")]
    found += [] if policy.get("Version") == "2012-10-17" else ["Version"]
    sids = [statement.get("Sid", "") for statement in policy["Statement"]]
    found += [f"Sid {sid!r}" for sid in sids if not re.fullmatch("[A-Za-z0-9]+", sid) or sids.count(sid) > 1]
    for statement in policy["Statement"]:
        found += list(_statement_problems(statement, is_resource_policy=is_resource_policy))
    return found


def _statement_problems(statement: Mapping[str, Any], *, is_resource_policy: bool) -> Iterator[str]:
    target = "Principal" if is_resource_policy else "Resource"
    if not {"Sid", "Effect", "Action", target} <= set(statement) <= {"Sid", "Effect", "Action", target, "Condition"}:
        yield f"{statement['Sid']}: {sorted(statement)}"
    if statement["Effect"] != "Allow":
        yield f"{statement['Sid']}: {statement['Effect']}"
    for action in _several(statement["Action"]):
        service, _, operation = action.partition(":")
        known = _reference()[service]["Actions"].get(operation.lower())
        if known is None:
            yield f"{action} is no action"
            continue
        formats = [
            form
            for kind in known.get("Resources", ())
            for form in _reference()[service]["Resources"][kind]["ARNFormats"]
        ]
        for resource in () if is_resource_policy else _several(statement["Resource"]):
            if resource == "*" and formats and "Condition" not in statement:
                yield f"{action} on everything, but it can be scoped"
            elif resource != "*" and not any(re.match(_pattern(form), resource) for form in formats):
                yield f"{action} cannot be scoped to {resource}"


def _pattern(form: str) -> str:
    return re.sub(r"\$\{\w+\}", "[^:]*", form)


@cache
def _reference() -> Any:
    return json.loads(files("cfnlint").joinpath("data/AdditionalSpecs/Policies.json").read_text(encoding="utf-8"))


def required(registry: Iterable[tuple[str, str]], calls: Iterable[Call]) -> set[tuple[str, str]]:
    """Return pairs of action and ARN for requests to ECR (action and repository) and calls to AWS's APIs."""
    found = {(action, f"arn:aws:ecr:{_AT}:repository/{repository}") for action, repository in registry}
    asked = {pair for call in calls for pair in _of_call(call)}
    return found | {(action, resource.replace(_DOUBLES_ACCOUNT, ACCOUNT)) for action, resource in asked}


def _of_call(call: Call) -> Iterator[tuple[str, str]]:
    action = f"{call.service}:{call.operation}"
    if action in _WITHOUT_IAM:
        return
    for resource in _several(_RESOURCES[action](call.parameters)):
        yield action, resource
    if action == "ecs:RegisterTaskDefinition":
        for member in ("executionRoleArn", "taskRoleArn"):
            if call.parameters.get(member):
                yield "iam:PassRole", call.parameters[member]
        if call.parameters.get("tags"):
            yield "ecs:TagResource", f"arn:aws:ecs:{_AT}:task-definition/{call.parameters['family']}:*"


def _ecs(kind: str, *members: str) -> Callable[[Mapping[str, Any]], str]:
    """Return what makes ``arn:…:KIND/CLUSTER/…`` of a call's members, whether they are names or ARNs."""

    def arn(parameters: Mapping[str, Any]) -> str:
        values = [parameters[member] for member in members]
        names = [str(value[0] if isinstance(value, list) else value).rpartition("/")[2] for value in values]
        return f"arn:aws:ecs:{_AT}:{kind}/{'/'.join(names)}"

    return arn


def _everything(_: Mapping[str, Any]) -> str:
    return "*"


_RESOURCES: dict[str, Callable[[Mapping[str, Any]], str | list[str]]] = {
    "ecr:GetAuthorizationToken": _everything,
    "ecs:DescribeTaskDefinition": _everything,
    "ecs:RegisterTaskDefinition": lambda p: f"arn:aws:ecs:{_AT}:task-definition/{p['family']}:*",
    "ecs:DescribeClusters": _ecs("cluster", "clusters"),
    "ecs:DescribeServices": _ecs("service", "cluster", "services"),
    "ecs:UpdateService": _ecs("service", "cluster", "service"),
    "ecs:ListServiceDeployments": _ecs("service", "cluster", "service"),
    "ecs:DescribeServiceDeployments": lambda p: p["serviceDeploymentArns"],
    "ecs:DescribeServiceRevisions": lambda p: p["serviceRevisionArns"],
    "ecs:ListTasks": _everything,
    "ecs:DescribeTasks": lambda p: p["tasks"],
    "iam:GetRole": lambda p: f"arn:aws:iam::{ACCOUNT}:role/{p['RoleName']}",
    "logs:DescribeLogGroups": _everything,
    "logs:GetLogEvents": lambda p: f"arn:aws:logs:{_AT}:log-group:{p['logGroupName']}:log-stream:{p['logStreamName']}",
    "codebuild:StartBuildBatch": lambda p: f"arn:aws:codebuild:{_AT}:project/{p['projectName']}",
    "codebuild:BatchGetBuildBatches": lambda p: [_project(batch) for batch in p["ids"]],
    "codebuild:StopBuildBatch": lambda p: _project(p["id"]),
}


def _project(batch: str) -> str:
    return f"arn:aws:codebuild:{_AT}:project/{batch.partition(':')[0]}"


def _several(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value
