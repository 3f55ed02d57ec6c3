"""CodeDeploy through boto3, as :class:`pipeline_kit.ports.ecs.BlueGreen`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline_kit.deployment.observations import CodeDeployment
from pipeline_kit.outputs.sanitize import one_line

if TYPE_CHECKING:
    from pipeline_kit.adapters.aws.ecs_clients import AwsClients


class CodeDeployApi:
    """The CodeDeploy API of one region."""

    def __init__(self, clients: AwsClients) -> None:
        self._clients = clients

    def create(self, application: str, group: str, content: str, digest: str) -> str:
        """Start a deployment from an AppSpec."""
        answer = self._clients.call(
            "codedeploy",
            "CreateDeployment",
            applicationName=application,
            deploymentGroupName=group,
            description="pipeline-kit ecs deploy",
            revision={"revisionType": "AppSpecContent", "appSpecContent": {"content": content, "sha256": digest}},
        )
        return str(answer["deploymentId"])

    def get(self, deployment: str) -> CodeDeployment:
        """Return how a deployment stands."""
        info = self._clients.call("codedeploy", "GetDeployment", deploymentId=deployment)["deploymentInfo"]
        error, rollback = info.get("errorInformation") or {}, info.get("rollbackInfo") or {}
        return CodeDeployment(
            id=deployment,
            status=str(info.get("status", "")),
            error_code=one_line(str(error.get("code") or "")),
            error_message=one_line(str(error.get("message") or "")),
            rollback_id=one_line(str(rollback.get("rollbackDeploymentId") or "")),
            rollback_message=one_line(str(rollback.get("rollbackMessage") or "")),
        )
