"""Whether what a task definition names is there, as :class:`pipeline_kit.ports.ecs.Requirements`.

No value of a secret or parameter is read. A check that is not allowed is "not checked", never "missing".
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from pipeline_kit.errors import AwsRefused, InputError, PipelineKitError
from pipeline_kit.ports.ecs import Check, State

if TYPE_CHECKING:
    from collections.abc import Callable

    from pipeline_kit.adapters.aws.ecs_clients import AwsClients

_ASSUMES = "ecs-tasks.amazonaws.com"
_SECRET_PARTS = 7
"""Colon-separated parts of a secret's ARN; a JSON key, stage and version may follow."""

_MISSING = frozenset({"NoSuchEntity", "ResourceNotFoundException", "ParameterNotFound", "404", "NoSuchKey"})


class RequirementsApi:
    """Asks IAM, Secrets Manager, Parameter Store, CloudWatch Logs and S3."""

    def __init__(self, clients: AwsClients) -> None:
        self._clients = clients

    def role(self, arn: str) -> Check:
        """Check that a role exists and that tasks may assume it."""
        what = f"role {arn}"

        def ask() -> Check:
            answer = self._clients.call("iam", "GetRole", RoleName=arn.rpartition("/")[2])
            trust = answer["Role"].get("AssumeRolePolicyDocument") or {}
            if _ASSUMES in json.dumps(trust if isinstance(trust, dict) else unquote(str(trust))):
                return Check(what, State.PRESENT)
            return Check(what, State.WRONG, f"does not trust {_ASSUMES}", "add it to the role's trust policy")

        return _checked(what, ask)

    def secret(self, source: str) -> Check:
        """Check that a secret (by ARN) or a parameter (by ARN or name) exists."""
        if ":secretsmanager:" in source:
            return self._secret(source)
        name = source.partition(":parameter")[2] if ":parameter/" in source else source
        region = source.split(":")[3] if source.startswith("arn:") else None
        what = f"parameter {name}"

        def ask() -> Check:
            names = [name] if name.startswith("/") and name.count("/") > 1 else [name, name.lstrip("/")]
            filters = [{"Key": "Name", "Option": "Equals", "Values": list(dict.fromkeys(names))}]
            found = self._clients.call("ssm", "DescribeParameters", region=region, ParameterFilters=filters)
            return Check(what, State.PRESENT if found.get("Parameters") else State.MISSING)

        return _checked(what, ask)

    def _secret(self, arn: str) -> Check:
        parts = arn.split(":")
        what = f"secret {':'.join(parts[:_SECRET_PARTS])}"

        def ask() -> Check:
            found = self._clients.call(
                "secretsmanager", "DescribeSecret", region=parts[3], SecretId=":".join(parts[:_SECRET_PARTS])
            )
            if found.get("DeletedDate"):
                return Check(what, State.MISSING, "is scheduled for deletion")
            return Check(what, State.PRESENT)

        return _checked(what, ask)

    def log_group(self, name: str, region: str) -> Check:
        """Check that a log group exists."""
        what = f"log group {name}"

        def ask() -> Check:
            more: dict[str, Any] = {}
            while True:
                found = self._clients.call(
                    "logs", "DescribeLogGroups", region=region or None, logGroupNamePrefix=name, **more
                )
                if any(group.get("logGroupName") == name for group in found.get("logGroups", ())):
                    return Check(what, State.PRESENT)
                if not found.get("nextToken"):
                    return Check(what, State.MISSING, "", "create it, or set awslogs-create-group")
                more = {"nextToken": found["nextToken"]}

        return _checked(what, ask)

    def environment_file(self, arn: str) -> Check:
        """Check that an object in S3 exists."""
        bucket, _, key = arn.partition(":::")[2].partition("/")
        what = f"environment file {arn}"

        def ask() -> Check:
            self._clients.call("s3", "HeadObject", Bucket=bucket, Key=key)
            return Check(what, State.PRESENT)

        return _checked(what, ask)


def _checked(what: str, ask: Callable[[], Check]) -> Check:
    """Return what ``ask`` found; AWS's refusals and silence are part of the answer."""
    try:
        return ask()
    except AwsRefused as error:
        if error.code in _MISSING:
            return Check(what, State.MISSING)
        return Check(what, State.UNKNOWN, error.message)
    except InputError:
        raise
    except PipelineKitError as error:
        return Check(what, State.UNKNOWN, error.message, error.hint or "")
