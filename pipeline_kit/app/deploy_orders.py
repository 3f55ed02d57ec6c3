"""Giving the order to deploy: to ECS or to CodeDeploy, or to nobody where the service runs the revision already."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pipeline_kit.app.deploy_following import Following
from pipeline_kit.app.deploy_report import ServiceResult
from pipeline_kit.deployment import appspec
from pipeline_kit.deployment.verdict import Ending
from pipeline_kit.errors import AuthorizationDenied, AwsRefused, InputError, PipelineKitError, TaskDefinitionError
from pipeline_kit.named_tuple import NamedTuple
from pipeline_kit.values import value_class

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pipeline_kit.app.clouds import Cloud
    from pipeline_kit.app.project import Project
    from pipeline_kit.app.session import Session
    from pipeline_kit.config import EcsService
    from pipeline_kit.deployment.observations import Service
    from pipeline_kit.ports.ecs import Revision

    Tell = Callable[[str, str], None]

DEFAULT_TIMEOUT = 15 * 60
"""Seconds that a service may take to be steady, where neither the configuration nor the command says otherwise."""


@value_class(frozen=False)
class Work:
    """One service on its way."""

    environment: str
    config: EcsService
    cloud: Cloud
    cluster: str
    document: Mapping[str, Any]
    images: Mapping[str, str]
    now: Service | None = None
    revision: Revision | None = None
    is_registered: bool = False
    result: ServiceResult | None = None
    following: Following | None = None

    @property
    def key(self) -> str:
        """Return ``environment/service``."""
        return f"{self.environment}/{self.config.name}"

    @property
    def arn(self) -> str:
        """Return the revision's ARN, ``""`` before there is one."""
        return self.revision.arn if self.revision is not None else ""

    def end(self, ending: Ending, detail: str = "", error: PipelineKitError | None = None) -> None:
        """Note how it ended."""
        self.result = ServiceResult(
            self.key,
            ending,
            revision=self.arn,
            previous=self.now.definition if self.now is not None else "",
            is_registered=self.is_registered,
            detail=detail,
            images=self.images,
            error=error,
        )


class Orders(NamedTuple):
    """Gives orders. ``force`` orders a new deployment of what runs already; ``timeout`` is in seconds."""

    session: Session
    tell: Tell
    force: bool = False
    timeout: float | None = None

    def give(self, work: Work) -> None:
        """Give the order, or find that there is none to give; a refusal is this service's alone."""
        if work.config.is_task:
            work.end(Ending.DEPLOYED if work.is_registered else Ending.UNCHANGED)
            return
        if work.now is None:  # pragma: no cover - its place was verified
            raise InputError(f"{work.key}: no such service")
        if work.now.definition == work.arn and work.now.controller == "CODE_DEPLOY" and not self.force:
            work.end(Ending.UNCHANGED)
            return
        try:
            work.following = self._ordered(work, work.now)
        except PipelineKitError as error:
            work.end(Ending.REFUSED, error.message, error)
            return
        if work.following is None:
            work.end(Ending.UNCHANGED)

    def _ordered(self, work: Work, now: Service) -> Following | None:
        following = Following(
            work.key,
            now.name,
            work.arn,
            work.document,
            work.cluster,
            work.cloud,
            self.timeout or work.config.timeout or DEFAULT_TIMEOUT,
            before=frozenset(rollout.id for rollout in now.rollouts),
            events_seen={event.id for event in now.events},
        )
        if now.controller == "CODE_DEPLOY":
            following.code_deployment = self._create_code_deployment(work, now)
            return following
        if now.controller == "EXTERNAL":
            raise AwsRefused("its deployments are made by an external controller", hint="deploy it there")
        primary = now.primary
        is_there = primary is not None and primary.definition == work.arn and not self.force
        if is_there and primary is not None and primary.state != "FAILED":
            if primary.state != "IN_PROGRESS" and len(now.rollouts) == 1:
                return None
            self.tell(work.key, f"a deployment of {work.arn.rpartition('/')[2]} is under way already")
            following.rollout = primary.id
            following.before -= {primary.id}
            following.known = frozenset()
            return following
        following.known = self._known(work, now)
        after = work.cloud.ecs.update(work.cluster, now.name, work.arn, force=self.force or is_there)
        following.rollout = after.primary.id if after.primary is not None else ""
        following.before -= {following.rollout}
        self.tell(work.key, f"deploying {work.arn.rpartition('/')[2]} ({following.rollout or 'no deployment id'})")
        return following

    def _known(self, work: Work, now: Service) -> frozenset[str] | None:
        """Return the service deployments before ours, ``None`` where they may not be read."""
        try:
            return frozenset(work.cloud.ecs.service_deployments(work.cluster, now.name))
        except (AuthorizationDenied, AwsRefused) as error:
            self.tell(work.key, f"note: {error.message}; following DescribeServices instead")
            return None

    def _create_code_deployment(self, work: Work, now: Service) -> str:
        written = work.config.codedeploy
        cluster = work.cluster.rpartition("/")[2]
        application = (written.application if written else None) or f"AppECS-{cluster}-{now.name}"
        group = (written.deployment_group if written else None) or f"DgpECS-{cluster}-{now.name}"
        content, digest = appspec.content(self._app_spec(work, now))
        deployment = work.cloud.blue_green.create(application, group, content, digest)
        self.tell(work.key, f"CodeDeploy deployment {deployment} of {application}/{group}")
        return deployment

    def _app_spec(self, work: Work, now: Service) -> Mapping[str, Any]:
        written = work.config.codedeploy
        if written is not None and written.appspec is not None:
            return appspec.with_definition(
                read_app_spec(self.session.project, written.appspec), work.arn, written.appspec
            )
        container, port = now.load_balancers[0] if now.load_balancers else ("", 0)
        container = (written.container if written else None) or container
        port = (written.port if written else None) or port
        if not container or not port:
            hint = "write codedeploy: {container: …, port: …}"
            raise InputError("the service has no load balancer that says which container and port to shift", hint=hint)
        return appspec.app_spec(work.arn, container, port, now.platform_version)


def read_app_spec(project: Project, path: str) -> dict[str, Any]:
    """Return an AppSpec file, YAML or JSON. Raises TaskDefinitionError."""
    import yaml

    data = project.tree.read(project.in_tree(path))
    try:
        document = json.loads(data or b"") if path.endswith(".json") else yaml.safe_load(data or b"")
    except (ValueError, yaml.YAMLError) as error:
        raise TaskDefinitionError(f"{path}: {error}") from error
    if not isinstance(document, dict):
        raise TaskDefinitionError(f"{path}: an AppSpec is a mapping")
    return document
