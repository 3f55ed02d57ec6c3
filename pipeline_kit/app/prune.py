"""``prune`` and the listing behind ``lifecycle-policy``: what each configured repository holds, and what may go."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from pipeline_kit.app.keep_set import Heads, Where, ecs_uses, git_heads, head_uses, manifest_uses
from pipeline_kit.app.tagging import choose, repository_of
from pipeline_kit.content_tag import TAG_HEX
from pipeline_kit.errors import InputError
from pipeline_kit.execute.records import read_records
from pipeline_kit.named_tuple import NamedTuple
from pipeline_kit.retention import Decided, Rules, StoredImage, Uses, decide, deletion_waves
from pipeline_kit.retention.decision import attached_to
from pipeline_kit.retention.lifecycle import simulate
from pipeline_kit.values import field, value_class

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from pipeline_kit.app.session import Session
    from pipeline_kit.config import EcsDeployment
    from pipeline_kit.config.model import Retention
    from pipeline_kit.ports.images import ImageStore, Removal
    from pipeline_kit.reference import Reference
    from pipeline_kit.retention.lifecycle import LifecycleRule

_AT_ONCE = 16
_SECONDS_A_DAY = 86_400


class PruneOptions(NamedTuple):
    """What was asked for: image names, manifests in use, further commits to keep, refs to leave out."""

    names: tuple[str, ...] = ()
    manifests: tuple[Path, ...] = ()
    commits: tuple[str, ...] = ()
    skipped_refs: tuple[str, ...] = ()


@value_class()
class RepositoryPlan:
    """The decision about every image of one repository."""

    repository: Reference
    images: tuple[Decided, ...]

    @property
    def going(self) -> tuple[Decided, ...]:
        """Return what is to be deleted."""
        return tuple(item for item in self.images if not item.keep)


class Simulated(NamedTuple):
    """An image that a lifecycle policy would take away, the rule's priority, and what prune says of the image."""

    repository: Reference
    decided: Decided
    action: str
    rule: int


@value_class()
class PruneReport:
    """What became of what was to go, by repository."""

    plans: tuple[RepositoryPlan, ...]
    removals: Mapping[str, tuple[Removal, ...]] = field(default_factory=dict)

    @property
    def exit_code(self) -> int:
        """Return 1 when an image that was to go could not be deleted; one that changed meanwhile is no failure."""
        return int(any(item.outcome == "failed" for items in self.removals.values() for item in items))


class Pruner:
    """Plans and carries out; ``open_store`` and ``open_where`` give the adapters of a repository and an environment."""

    def __init__(
        self,
        session: Session,
        open_store: Callable[[Reference], ImageStore],
        open_where: Callable[[EcsDeployment], Where],
    ) -> None:
        self._session = session
        self._open_store = open_store
        self._open_where = open_where

    def plan(self, options: PruneOptions) -> tuple[RepositoryPlan, ...]:
        """Return a decision for every image of the repositories asked for.

        Raises InputError without ``retention:``, and whatever a source of truth raises that cannot be read.
        """
        retention = retention_of(self._session)
        rules = rules_of(self._session, retention)
        manifests = manifest_uses(options.manifests)
        heads = git_heads(
            self._session,
            keep_branches=retention.keep_branches,
            revisions=options.commits,
            skipped=options.skipped_refs,
        )
        repositories = repositories_of(self._session, options.names)
        listed = self.listed(repositories)  # before what is in use: what starts to be used meanwhile is asked later
        uses = head_uses(self._session, heads)
        uses.add(manifests)
        uses.add(ecs_uses(self._session.project.config.ecs, retention, self._open_where))
        now = self._session.around.now
        return tuple(
            self._decided(repository, images, uses, rules, heads, now) for repository, images in listed.items()
        )

    def simulate(self, rules: Sequence[LifecycleRule], options: PruneOptions) -> tuple[Simulated, ...]:
        """Return what an ECR lifecycle policy would delete or archive, each image with what prune says of it."""
        found: list[Simulated] = []
        for plan in self.plan(options):
            decided = {item.image.digest: item for item in plan.images}
            images = [item.image for item in plan.images]
            for image, action, rule in simulate(rules, images, self._session.around.now):
                found.append(Simulated(plan.repository, decided[image.digest], action, rule))
        return tuple(found)

    def listed(self, repositories: Sequence[Reference]) -> dict[Reference, tuple[StoredImage, ...]]:
        """Return every image by repository."""
        return {item: tuple(self._open_store(item).images(item)) for item in repositories}

    def carry_out(self, plans: Sequence[RepositoryPlan]) -> PruneReport:
        """Delete what ``plans`` say, wave by wave. Failures of single images stand in the report."""
        done: dict[str, tuple[Removal, ...]] = {}
        for plan in plans:
            done[plan.repository.name] = self._removed(plan)
        return PruneReport(tuple(plans), done)

    def _removed(self, plan: RepositoryPlan) -> tuple[Removal, ...]:
        """Delete one repository's images; what belongs to one that stayed stays too."""
        from pipeline_kit.ports.images import Removal

        store = self._open_store(plan.repository)
        removals: list[Removal] = []
        stayed: set[str] = set()
        for wave in deletion_waves(plan.images):
            left = [image for image in wave if image.digest in stayed or attached_to(image) in stayed]
            removals += [Removal(image, "left", "what needs it stays") for image in left]
            ready = [image for image in wave if image not in left]
            done = store.remove(plan.repository, ready) if ready else ()
            removals += done
            for image in (*left, *(item.image for item in done if item.outcome in ("left", "failed"))):
                stayed.update((image.digest, *image.children))
        return tuple(removals)

    def _decided(
        self,
        repository: Reference,
        images: tuple[StoredImage, ...],
        uses: Uses,
        rules: Rules,
        heads: Heads,
        now: float,
    ) -> RepositoryPlan:
        """Decide, then ask the build records of what would go whether a head was built as it."""
        first = decide(images, uses, rules, now)
        built = self._built_at_heads(repository, first, heads)
        if not built.digests:
            return RepositoryPlan(repository, first)
        built.add(uses)
        return RepositoryPlan(repository, decide(images, built, rules, now))

    def _built_at_heads(self, repository: Reference, decided: Sequence[Decided], heads: Heads) -> Uses:
        """Return the images that records say were built for a head: with bases of that day, whatever theirs are now."""
        if not heads.commits:
            return Uses()
        going = [item.image for item in decided if not item.keep and item.image.tags and not attached_to(item.image)]
        registry = self._session.registry

        def name(image: StoredImage) -> str:
            records = read_records(registry, repository.with_digest(image.digest))
            found = (heads.commits.get(record.stamp.commit) for record in records)
            return next((text for text in found if text), "")

        with ThreadPoolExecutor(_AT_ONCE, "records") as pool:
            names = list(pool.map(name, going))
        return Uses({image.digest: f"built for {text}" for image, text in zip(going, names, strict=True) if text})


def retention_of(session: Session) -> Retention:
    """Return ``retention:``. Raises InputError where nothing says what is kept."""
    retention = session.project.config.retention
    if retention is None:
        raise InputError(
            f"{session.project.config.file} has no 'retention', so nothing says what is kept",
            hint="write, for example, 'retention: {keep_last: 20, keep_days: 30}'",
        )
    return retention


def rules_of(session: Session, retention: Retention) -> Rules:
    """Return the rules of the decision."""
    prefix = re.escape(session.project.config.tag_prefix)
    return Rules(
        # A lane's name or a platform's stands behind the tags of untrusted and of staged builds.
        content_tag=re.compile(rf"{prefix}[0-9a-f]{{{TAG_HEX}}}(?:-[A-Za-z0-9_.-]+)?"),
        keep_last=retention.keep_last,
        keep_seconds=None if retention.keep_days is None else retention.keep_days * _SECONDS_A_DAY,
        keep_tags=retention.keep_tags,
        min_age=retention.min_age,
    )


def repositories_of(session: Session, names: Sequence[str]) -> tuple[Reference, ...]:
    """Return the repositories of the images asked for, each once. Raises InputError for an unknown image."""
    images = session.project.config.images
    wanted = choose(session.project, names)
    return tuple(dict.fromkeys(repository_of(session.project, images[name]) for name in wanted))


def open_store(session: Session) -> Callable[[Reference], ImageStore]:
    """Return a function for a repository's store: ECR's own API where it is one, else the distribution API."""
    from pipeline_kit.adapters.aws.ecr import parse_ecr_host
    from pipeline_kit.adapters.aws.ecr_images import EcrImages
    from pipeline_kit.adapters.aws.ecs_clients import AwsClients
    from pipeline_kit.execute.image_store import RegistryImages

    retention = session.project.config.retention
    stores: dict[str, ImageStore] = {}

    def store(repository: Reference) -> ImageStore:
        if repository.host not in stores:
            ecr = parse_ecr_host(repository.host)
            if ecr is not None:
                stores[repository.host] = EcrImages(AwsClients(ecr.region), ecr.account)
            else:
                from pipeline_kit.config.model import Retention

                rules = rules_of(session, retention or Retention())
                stores[repository.host] = RegistryImages(session.registry, rules.content_tag)
        return stores[repository.host]

    return store


def open_where(session: Session) -> Callable[[EcsDeployment], Where]:
    """Return a function for the AWS side of an environment; nothing is asked yet."""
    from pipeline_kit.adapters.aws.ecs_clients import AwsClients
    from pipeline_kit.adapters.aws.ecs_schedules import SchedulesApi
    from pipeline_kit.adapters.aws.ecs_usage import EcsUsage
    from pipeline_kit.app.clouds import region_of

    def where(deployment: EcsDeployment) -> Where:
        region, fallback = region_of(deployment, session.project.config.registry, session.environ)
        clients = AwsClients(region, fallback=fallback)
        return Where(EcsUsage(clients), SchedulesApi(clients))

    return where
