"""Following deployments to their end: asks AWS in rounds, for all services at once; the state machines judge."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline_kit.app.deploy_causes import Causes
from pipeline_kit.deployment.machine import (
    LASTING_FAILURES,
    is_going_back,
    judge_code_deployment,
    judge_rollout,
    judge_service_deployment,
    rollout_standing,
    service_deployment_standing,
)
from pipeline_kit.deployment.verdict import Ending, Standing, Verdict
from pipeline_kit.errors import AuthorizationDenied, AwsRefused, AwsUnreachable, Interrupted, PipelineKitError
from pipeline_kit.values import field, value_class

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from pipeline_kit.app.clouds import Cloud
    from pipeline_kit.deployment.observations import Service, ServiceDeployment
    from pipeline_kit.ports.clock import Clock

    Tell = Callable[[str, str], None]

FIRST_PAUSE = 2.0
LONGEST_PAUSE = 10.0
_GROWTH = 1.4
_UNANSWERED_ROUNDS = 5
"""Rounds in a row without an answer until the end is not known."""

_LOOKS = 3
"""Rounds in which our service deployment is looked for before DescribeServices has to do."""

_LOOK_AT_TASKS_EVERY = 4
"""Rounds between looks at stopped tasks while fewer run than wanted and no failure is counted."""


@value_class(frozen=False)
class Following:
    """One deployment that was ordered: what it is about, and what was seen of it so far."""

    key: str
    """``environment/service``."""
    service: str
    definition: str
    """ARN of the revision that was ordered."""
    document: Mapping[str, object]
    cluster: str
    cloud: Cloud
    timeout: float
    rollout: str = ""
    """Id of our deployment in DescribeServices (``ecs-svc/…``)."""
    before: frozenset[str] = frozenset()
    """Ids of the deployments that were there before."""
    known: frozenset[str] | None = None
    """ARNs of the service deployments before ours; ``None`` where they may not be read."""
    code_deployment: str = ""
    began: float = 0.0
    events_seen: set[str] = field(default_factory=set)
    arn: str = ""
    """Our service deployment's."""
    looks: int = 0
    rounds: int = 0
    standing: Standing = field(default_factory=Standing)
    told_standing: str = ""
    is_going_back: bool = False
    verdict: Verdict = field(default_factory=Verdict)
    seconds: float = 0.0
    error: PipelineKitError | None = None
    causes: Causes = field(default_factory=Causes)

    @property
    def is_open(self) -> bool:
        """Return whether it still goes on."""
        return self.verdict.ending is None

    @property
    def uses_service_deployments(self) -> bool:
        """Return whether the ServiceDeployments API is asked, rather than DescribeServices alone."""
        return self.known is not None and not self.code_deployment


@value_class(frozen=False)
class Follower:
    """Follows any number of deployments; ``tell`` takes a key and a line for people."""

    clock: Clock
    tell: Tell
    unanswered: int = 0

    def follow(self, deployments: Iterable[Following]) -> None:
        """Wait until every deployment has ended, timed out, or AWS no longer answers; results are in them.

        An interruption touches nothing: what goes on is told, and the interruption raised again.
        """
        every = list(deployments)
        for one in every:
            one.began = self.clock.monotonic()
        pause = FIRST_PAUSE
        try:
            while any(one.is_open for one in every):
                self._round([one for one in every if one.is_open])
                if any(one.is_open for one in every):
                    self.clock.sleep(pause)
                    pause = min(pause * _GROWTH, LONGEST_PAUSE)
        except Interrupted:
            for one in every:
                if one.is_open:
                    self.tell(one.key, f"not waited for any longer: the deployment goes on ({one.standing})")
            raise

    def _round(self, going: list[Following]) -> None:
        try:
            self._ask(going)
            self.unanswered = 0
        except AwsUnreachable as error:
            self.unanswered += 1
            if self.unanswered >= _UNANSWERED_ROUNDS:
                self._give_up(going, error)
            else:
                self.tell(going[0].key, f"{error.message}; asking again")
        except PipelineKitError as error:
            self._give_up(going, error)
        now = self.clock.monotonic()
        for one in going:
            one.seconds = now - one.began
            if one.is_open and one.seconds >= one.timeout:
                self._look_at_tasks(one)
                late = f"after {one.timeout:g} s {one.standing}; the deployment goes on"
                one.verdict = Verdict(Ending.TIMED_OUT, late)

    def _give_up(self, going: list[Following], error: PipelineKitError) -> None:
        for one in going:
            one.error = error
            one.verdict = Verdict(Ending.UNKNOWN, f"{error.message}; the deployment goes on")

    def _ask(self, going: list[Following]) -> None:
        for some in _by_cluster(going):
            cloud, cluster = some[0].cloud, some[0].cluster
            services = cloud.ecs.services(cluster, list(dict.fromkeys(one.service for one in some)))
            self._find_ours(some)
            arns = [one.arn for one in some if one.arn]
            deployments = cloud.ecs.describe_service_deployments(arns) if arns else {}
            for one in some:
                one.rounds += 1
                self._judge(one, services.get(one.service), deployments.get(one.arn))

    def _find_ours(self, some: list[Following]) -> None:
        """Find the service deployment that our order made: a new one whose target is our revision."""
        for one in some:
            if one.arn or not one.uses_service_deployments or one.known is None:
                continue
            one.looks += 1
            try:
                new = [
                    arn for arn in one.cloud.ecs.service_deployments(one.cluster, one.service) if arn not in one.known
                ]
                seen = one.cloud.ecs.describe_service_deployments(new) if new else {}
                definitions = one.cloud.ecs.definitions_of([d.revision for d in seen.values()]) if seen else {}
            except (AuthorizationDenied, AwsRefused) as error:
                self._fall_back(one, error.message)
                continue
            ours = [arn for arn in new if arn in seen and definitions.get(seen[arn].revision) == one.definition]
            if ours:
                one.arn = ours[-1]  # the oldest new one: a later order of the same revision is not ours
            elif one.looks >= _LOOKS:
                self._fall_back(one, "ECS lists no service deployment of ours")

    def _fall_back(self, one: Following, why: str) -> None:
        one.known = None
        self.tell(one.key, f"note: {why}; following DescribeServices instead")

    def _judge(self, one: Following, service: Service | None, deployment: ServiceDeployment | None) -> None:
        if service is None:
            one.verdict = Verdict(Ending.SERVICE_GONE, "ECS no longer has the service")
            return
        failed = one.standing.failed
        self._tell_events(one, service)
        if one.code_deployment:
            one.verdict = judge_code_deployment(one.cloud.blue_green.get(one.code_deployment))
            one.standing = Standing(service.running, service.pending, service.desired)
        elif deployment is not None:
            self._judge_service_deployment(one, deployment)
        elif not one.uses_service_deployments:
            one.verdict = judge_rollout(service, one.rollout, one.before)
            one.standing = rollout_standing(service, one.rollout)
        else:
            one.standing = rollout_standing(service, one.rollout)
        self._tell_standing(one)
        is_short = one.standing.running < one.standing.desired and one.rounds % _LOOK_AT_TASKS_EVERY == 0
        ended_badly = one.verdict.ending is not None and not one.verdict.ending.is_success
        if one.standing.failed > failed or is_short or ended_badly:
            self._look_at_tasks(one)
        self._give_up_if_hopeless(one, service)

    def _judge_service_deployment(self, one: Following, deployment: ServiceDeployment) -> None:
        is_newest = True
        if deployment.status == "STOPPED":
            listed = one.cloud.ecs.service_deployments(one.cluster, one.service)
            is_newest = not listed or listed[0] == deployment.arn
        one.verdict = judge_service_deployment(deployment, is_newest=is_newest)
        one.standing = service_deployment_standing(deployment)
        if is_going_back(deployment) and not one.is_going_back:
            one.is_going_back = True
            self.tell(one.key, f"rolling back: {deployment.rollback_reason or deployment.reason or 'no reason given'}")

    def _give_up_if_hopeless(self, one: Following, service: Service) -> None:
        """End the wait where every task fails for a lasting reason and no circuit breaker will end the deployment."""
        lasting = one.causes.lasting()
        is_hopeless = len(lasting) >= LASTING_FAILURES and not one.standing.running and not one.is_going_back
        if one.is_open and is_hopeless and not service.has_breaker and not one.code_deployment:
            told = f"{len(lasting)} tasks failed alike, and without a circuit breaker ECS goes on trying"
            one.verdict = Verdict(Ending.HOPELESS, told)

    def _tell_events(self, one: Following, service: Service) -> None:
        for event in reversed(service.events):
            if event.id not in one.events_seen:
                one.events_seen.add(event.id)
                self.tell(one.key, event.message)
                one.causes.add_event(event.message)

    def _tell_standing(self, one: Following) -> None:
        text = str(one.standing)
        if text != one.told_standing:
            one.told_standing = text
            self.tell(one.key, text)

    def _look_at_tasks(self, one: Following) -> None:
        """Read why tasks of ours stopped; what may not be read is not worth failing for."""
        try:
            tasks = one.cloud.ecs.stopped_tasks(one.cluster, one.service)
            for line in one.causes.add_tasks(tasks, one.definition, one.rollout, one.document, one.cloud.ecs):
                self.tell(one.key, line)
        except PipelineKitError as error:
            if not one.causes.is_blind:
                one.causes.is_blind = True
                self.tell(one.key, f"note: why tasks stop cannot be told: {error.message}")


def _by_cluster(going: list[Following]) -> list[list[Following]]:
    groups: dict[tuple[int, str], list[Following]] = {}
    for one in going:
        groups.setdefault((id(one.cloud), one.cluster), []).append(one)
    return list(groups.values())
