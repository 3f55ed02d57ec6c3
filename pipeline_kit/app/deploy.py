"""Deploying to ECS: check, render, register, order, follow, and let schedules follow (design D8)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline_kit.app import task_definitions
from pipeline_kit.app.deploy_following import Follower
from pipeline_kit.app.deploy_orders import Orders, Work
from pipeline_kit.app.deploy_register import register
from pipeline_kit.app.deploy_report import DeployReport, ServiceResult
from pipeline_kit.app.deploy_targets import move_targets
from pipeline_kit.app.deploy_verify import refuse_missing, verify_definitions, verify_place
from pipeline_kit.deployment.verdict import Ending
from pipeline_kit.errors import (
    InputError,
    PipelineKitError,
)
from pipeline_kit.named_tuple import NamedTuple
from pipeline_kit.ports.ecs import State
from pipeline_kit.values import field, replace, value_class

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pipeline_kit.app.clouds import Cloud
    from pipeline_kit.app.session import Session
    from pipeline_kit.config import EcsService
    from pipeline_kit.deployment.observations import Service
    from pipeline_kit.ports.clock import Clock
    from pipeline_kit.task_definition import ContainerEdit

    Tell = Callable[[str, str], None]
    OpenCloud = Callable[[str], Cloud]


@value_class()
class DeployOptions:
    """What ``ecs deploy`` was asked for. ``revision`` names a registered one to deploy instead of rendering."""

    wait: bool = True
    verify: bool = True
    force: bool = False
    timeout: float | None = None
    revision: str | None = None
    further: Mapping[str, ContainerEdit] = field(default_factory=dict)


class Deployer(NamedTuple):
    """Deploys services; ``tell`` takes ``environment/service`` and a line for people."""

    session: Session
    open_cloud: OpenCloud
    clock: Clock
    tell: Tell

    def deploy(
        self, chosen: Sequence[tuple[str, EcsService]], pinned: Mapping[str, str], options: DeployOptions
    ) -> DeployReport:
        """Deploy the ``chosen`` services and return what became of each.

        ``pinned`` maps image names to ``host/repository@digest``. Raises PipelineKitError for what went wrong before
        anything was touched; later failures are part of the report.
        """
        began = self.clock.monotonic()
        clouds = {environment: self.open_cloud(environment) for environment, _ in chosen}
        places = self._places(clouds, chosen)
        works = self._prepare(clouds, chosen, pinned, options)
        for work in works:
            work.now = places[work.environment].get(work.config.service)
        if options.verify:
            self._verify(clouds, works)
        for work in works:
            self._register(work)
        orders = Orders(self.session, self.tell, force=options.force, timeout=options.timeout)
        for work in works:
            orders.give(work)
        followed = [work.following for work in works if work.following is not None]
        if options.wait:
            Follower(self.clock, self.tell).follow(followed)
        results = tuple(self._conclude(work, wait=options.wait) for work in works)
        calls: dict[str, int] = {}
        for cloud in clouds.values():
            for name, count in cloud.calls.items():
                calls[name] = calls.get(name, 0) + count
        return DeployReport(results, calls, self.clock.monotonic() - began)

    def _places(
        self, clouds: Mapping[str, Cloud], chosen: Sequence[tuple[str, EcsService]]
    ) -> dict[str, Mapping[str, Service]]:
        found: dict[str, Mapping[str, Service]] = {}
        checks = []
        for environment, cloud in clouds.items():
            wanted = [service for name, service in chosen if name == environment]
            more, found[environment] = verify_place(cloud, self._cluster(environment), wanted)
            checks += more
        refuse_missing(checks)
        return found

    def _cluster(self, environment: str) -> str:
        return self.session.project.config.ecs[environment].cluster

    def _prepare(
        self,
        clouds: Mapping[str, Cloud],
        chosen: Sequence[tuple[str, EcsService]],
        pinned: Mapping[str, str],
        options: DeployOptions,
    ) -> list[Work]:
        if options.revision is not None:
            return self._of_revision(clouds, chosen, options.revision)
        rendered = task_definitions.render_services(
            self.session.project,
            chosen,
            pinned,
            ecs_of=lambda environment: clouds[environment].ecs,
            further=options.further,
        )
        works = []
        for item, (environment, service) in zip(rendered, chosen, strict=True):
            cloud = clouds[environment]
            document = item.document(cloud.ecs.shapes())
            works.append(Work(environment, service, cloud, self._cluster(environment), document, item.images))
        return works

    def _of_revision(
        self, clouds: Mapping[str, Cloud], chosen: Sequence[tuple[str, EcsService]], name: str
    ) -> list[Work]:
        if len(chosen) != 1:
            raise InputError("--revision deploys one service", hint="name it")
        environment, service = chosen[0]
        found = clouds[environment].ecs.describe(name)
        if found is None:
            raise InputError(
                f"ECS has no task definition {name}", hint="as in family:42; see aws ecs list-task-definitions"
            )
        if found.status != "ACTIVE":
            raise InputError(f"{found.name} is {found.status}: ECS starts no new tasks from it")
        work = Work(environment, service, clouds[environment], self._cluster(environment), found.document, {})
        work.revision = found
        return [work]

    def _verify(self, clouds: Mapping[str, Cloud], works: Sequence[Work]) -> None:
        checks = []
        for environment, cloud in clouds.items():
            documents = [work.document for work in works if work.environment == environment]
            checks += verify_definitions(cloud, self.session.registry, documents)
        refuse_missing(checks)
        blind = [check for check in checks if check.state is State.UNKNOWN]
        if blind:
            self.tell(works[0].key, f"note: not checked: {', '.join(check.what for check in blind)}")

    def _register(self, work: Work) -> None:
        if work.revision is not None:
            return
        running = None
        if work.now is not None and work.now.definition:
            running = work.cloud.ecs.describe(work.now.definition)
        done = register(work.cloud.ecs, work.document, running)
        work.revision, work.is_registered = done.revision, done.is_new
        for note in done.notes:
            self.tell(work.key, f"note: {note}")
        self.tell(work.key, f"{'registered' if done.is_new else 'unchanged'} {done.revision.name}")

    def _conclude(self, work: Work, *, wait: bool) -> ServiceResult:
        result = self._result(work, wait=wait)
        if not result.ending.is_success or not (work.config.events or work.config.schedules):
            return result
        try:
            moved = move_targets(work.cloud.schedules, work.config.events, work.config.schedules, work.arn)
        except PipelineKitError as error:
            return replace(result, ending=Ending.REFUSED, detail=error.message, error=error)
        for target in moved:
            self.tell(work.key, f"{target} starts {work.arn.rpartition('/')[2]}")
        is_moved = bool(moved) and result.ending is Ending.UNCHANGED
        return replace(result, targets=moved, ending=Ending.DEPLOYED if is_moved else result.ending)

    @staticmethod
    def _result(work: Work, *, wait: bool) -> ServiceResult:
        if work.following is not None:
            seen = work.following
            work.end(seen.verdict.ending or Ending.STARTED if wait else Ending.STARTED, seen.verdict.detail, seen.error)
            if work.result is not None and wait:
                causes = () if work.result.ending.is_success else seen.causes.summary()
                return replace(
                    work.result,
                    causes=causes,
                    seconds=seen.seconds,
                    deployment=seen.code_deployment or seen.arn or seen.rollout,
                )
        if work.result is None:  # pragma: no cover - every work was ordered
            raise TypeError
        return work.result
