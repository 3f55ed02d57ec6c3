"""The promote command: choose images, plan every promotion, carry them out."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from pipeline_kit.app.aliases import newer_than
from pipeline_kit.app.chosen import Chosen, Selection, chosen_images, missing, require_trusted, unique
from pipeline_kit.errors import InputError, Interrupted, PipelineKitError
from pipeline_kit.execute.alias_move import read_manifest
from pipeline_kit.execute.copying import BlobCopier
from pipeline_kit.execute.promote import IMAGES, Promoted, Promoter, Request, plan_promotion
from pipeline_kit.named_tuple import NamedTuple
from pipeline_kit.promotion import Promotion, target_repository
from pipeline_kit.reference import Reference

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline_kit.app.session import Session
    from pipeline_kit.execute.workers import Workers


_OPEN_AHEAD = 12
"""Connections to each registry: an image has about ten blobs and manifests, which are asked about at once."""


class PromoteOptions(NamedTuple):
    """What was asked for: ``prefix`` is where the images go, ``tags`` are further tags there."""

    selection: Selection
    prefix: str
    tags: tuple[str, ...] = ()
    referrers: bool = True
    force: bool = False


class PromotionReport(NamedTuple):
    """What became of every image. ``seconds`` is the whole run's time, ``requests`` the HTTP requests it took."""

    images: tuple[Promoted, ...]
    exit_code: int
    seconds: float
    requests: int
    retries: int
    warnings: tuple[str, ...] = ()
    is_interrupted: bool = False


def plan_promotions(
    session: Session, options: PromoteOptions, workers: Workers, blobs: BlobCopier | None = None
) -> tuple[Promotion, ...]:
    """Return one promotion for each image. With ``blobs``, mounts begin meanwhile; nothing else is written.

    Raises InputError, ManifestMissing (an image is not there), TagConflict (a target's content tag names another
    image), RegistryRefused and RegistryUnreachable; of several failures the gravest.
    """
    require_trusted(session)
    registry = session.registry
    registry.open_ahead(_hosts(session, options), _OPEN_AHEAD)
    chosen = chosen_images(session, options.selection)
    requests = _requests(session, options, chosen)

    def plan(request: Request) -> Promotion | PipelineKitError | None:
        try:
            root = read_manifest(registry, request.source)
            if root is None:
                return None
            return plan_promotion(registry, request, root, workers, referrers=options.referrers, blobs=blobs)
        except PipelineKitError as error:
            return error

    with ThreadPoolExecutor(IMAGES, "plan") as pool:
        planned = list(pool.map(plan, requests))
    failures = [item for item in planned if isinstance(item, PipelineKitError)]
    absent = [image for image, item in zip(chosen, planned, strict=True) if item is None]
    if absent:
        failures.append(missing(absent))
    if failures:
        raise max(failures, key=lambda error: error.exit_code)
    return tuple(item for item in planned if isinstance(item, Promotion))


def _hosts(session: Session, options: PromoteOptions) -> set[str]:
    """Return the registries that will be spoken to. Raises InputError for a prefix that is none."""
    config = session.project.config
    some = Reference(config.registry, next(iter(config.images.values())).repository)
    return {some.host, target_repository(options.prefix, some, project=config.project, registry=config.registry).host}


def _requests(session: Session, options: PromoteOptions, chosen: Sequence[Chosen]) -> list[Request]:
    tags = unique(options.tags)
    config = session.project.config
    requests: list[Request] = []
    for image in chosen:
        target = target_repository(options.prefix, image.source, project=config.project, registry=config.registry)
        tag = image.content_tag
        given = () if tag is not None or image.source.tag is None else (image.source.tag,)
        aliases = tuple(alias for alias in dict.fromkeys((*given, *tags)) if alias != tag)
        other = next((item for item in requests if item.target == target), None)
        if other is not None:
            raise InputError(f"{other.name} and {image.name} would both be copied to {target.name}")
        requests.append(Request(image.name, image.source, target, tag, aliases))
    return requests


def promote_images(session: Session, options: PromoteOptions, workers: Workers) -> PromotionReport:
    """Plan and carry out the promotions asked for. Failures of single ones and an interruption stand in the report.

    Raises what :func:`plan_promotions` raises.
    """
    blobs = BlobCopier(session.registry)
    looked = time.monotonic()
    promotions = plan_promotions(session, options, workers, blobs)
    outcomes = tuple(Promoted(promotion) for promotion in promotions)
    orders = {
        item.name: newer_than(session, options.selection, Chosen(item.name, item.source, item.content_tag))
        for item in promotions
    }
    signal = 0
    try:
        Promoter(
            session.registry,
            workers,
            is_newer=lambda name, revision: orders[name](revision),
            force=options.force,
            blobs=blobs,
            looked=looked,
        ).promote_all(outcomes)
    except Interrupted as error:
        session.registry.abort()
        signal = error.signal_number
    code = max((outcome.exit_code for outcome in outcomes), default=0)
    return PromotionReport(
        outcomes,
        128 + signal if signal else code,
        session.seconds(),
        session.requests,
        session.retries,
        session.registry_warnings,
        is_interrupted=bool(signal),
    )
