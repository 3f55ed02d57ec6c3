"""``pipeline-kit promote``: images copied by digest, with all that belongs to them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipeline_kit.cli.messages import say, tell_error, tell_unmoved
from pipeline_kit.cli.options import option
from pipeline_kit.cli.results import for_github, write_each
from pipeline_kit.cli.shared import images_argument, json_option, open_session, print_json, print_product

if TYPE_CHECKING:
    from collections.abc import Callable

    from pipeline_kit.app.promotion import PromotionReport
    from pipeline_kit.app.session import Session
    from pipeline_kit.cli.main import Settings
    from pipeline_kit.execute.promote import Promoted


@click.command("promote")
@images_argument
@json_option
@option("--to", "prefix", metavar="REPOSITORY_PREFIX", required=True, help="Where: HOST/PATH, HOST, or PATH.")
@option("--tag", "tags", metavar="TAG", multiple=True, help="A further tag at the target; may be repeated.")
@option("--from", "at", metavar="TAG|DIGEST", help="The image by this name instead of the work tree's content tag.")
@option("--commit", "rev", metavar="REV", help="The images of a commit instead of the work tree; needs no checkout.")
@option("--referrers/--no-referrers", default=True, help="Copy signatures, attestations and records too (default).")
@option("--force", is_flag=True, help="Move --tag tags back too: to an image of an older commit.")
@option("--dry-run", is_flag=True, help="Print what would be copied; change nothing.")
@option("--report", metavar="FILE", type=click.Path(path_type=Path), help="Write a JSON report.")
@click.pass_obj
def command(
    settings: Settings,
    images: tuple[str, ...],
    as_json: bool,
    prefix: str,
    tags: tuple[str, ...],
    at: str | None,
    rev: str | None,
    referrers: bool,
    force: bool,
    dry_run: bool,
    report: Path | None,
) -> int:
    """Copy images by digest to other repositories or registries: all platforms, and all that refers to them.

    REPOSITORY_PREFIX stands in the place of the registry and the project: api of project shop goes to PREFIX/api.
    Within a registry blobs are mounted, between two they are streamed; nothing is pulled to disk, and what is there is
    not sent again. The content tag is kept; its digest is the same before and after.
    """
    from pipeline_kit.app.chosen import Selection
    from pipeline_kit.app.promotion import PromoteOptions, plan_promotions, promote_images
    from pipeline_kit.app.signals import interruptible
    from pipeline_kit.execute.workers import Workers
    from pipeline_kit.outputs.files import check_writable

    if report is not None:
        check_writable(report)
    options = PromoteOptions(Selection(images, at, rev), prefix, tags, referrers, force)
    with open_session(settings) as session, interruptible(), Workers() as workers:
        if dry_run:
            promotions = plan_promotions(session, options, workers)
            from pipeline_kit.outputs.promotion_plan import plan_document, plan_lines

            if as_json:
                print_json(plan_document(promotions))
            else:
                print_product("\n".join(plan_lines(promotions)))
            return 0
        done = promote_images(session, options, workers)
    return _tell(settings, session, done, as_json=as_json, report=report)


def _tell(settings: Settings, session: Session, done: PromotionReport, *, as_json: bool, report: Path | None) -> int:
    from pipeline_kit.outputs.files import write_atomically

    document = _document(done)
    if report is not None:
        write_atomically(report, json.dumps(document, indent=2).encode() + b"\n")
    if as_json:
        print_json(document)
    else:
        print_product("\n".join(_line(item) for item in done.images))
    for item in done.images:
        _tell_failure(item)
    code = write_each(_for_github(session, done), done.exit_code)
    if settings.verbosity >= 0:
        for warning in done.warnings:
            say(f"warning: {warning}")
        say(_summary(done))
    return code


def _for_github(session: Session, done: PromotionReport) -> list[Callable[[], None]]:
    """Return what writes the step's outputs and summary, where the CI has such files."""
    from pipeline_kit.outputs.promotion_plan import target_of
    from pipeline_kit.outputs.promotions import PromotionRow, write_promotion_outputs, write_promotions

    rows = [
        PromotionRow(
            item.promotion.name,
            target_of(item.promotion),
            item.promotion.graph.root,
            item.status,
            item.error.message if item.error is not None else "",
        )
        for item in done.images
    ]
    return for_github(
        session, lambda path: write_promotion_outputs(path, rows), lambda path: write_promotions(path, rows)
    )


def _document(done: PromotionReport) -> dict[str, Any]:
    return {
        "images": {item.promotion.name: _image(item) for item in done.images},
        "exit_code": done.exit_code,
        "interrupted": done.is_interrupted,
        "seconds": round(done.seconds, 3),
        "requests": done.requests,
        "retries": done.retries,
        "warnings": list(done.warnings),
    }


def _image(item: Promoted) -> dict[str, Any]:
    from pipeline_kit.outputs.promotion_plan import target_of

    return {
        "status": item.status,
        "source": str(item.promotion.source),
        "target": target_of(item.promotion),
        "digest": item.promotion.graph.root,
        "tags": {moved.tag: {"state": moved.state, "detail": moved.detail} for moved in item.tags},
        "manifests": {"in_all": len(item.promotion.graph.manifests), "stored": item.manifests},
        "referrers": item.promotion.graph.referrer_count,
        "blobs": {"uploaded": item.uploaded, "mounted": item.mounted, "present": item.present},
        "bytes": item.sent,
        "seconds": round(item.seconds, 3),
        "error": item.error.message if item.error is not None else "",
    }


def _line(item: Promoted) -> str:
    from pipeline_kit.outputs.promotion_plan import target_of
    from pipeline_kit.outputs.sanitize import one_line

    target = target_of(item.promotion)
    pinned = target if "@" in target else f"{target}@{item.promotion.graph.root}"
    return one_line(f"{item.promotion.name} {pinned} {item.status}")


def _tell_failure(item: Promoted) -> None:
    if item.error is not None:
        say(f"{item.promotion.name}: copied in part")
        tell_error(item.error)
    for moved in item.tags:
        tell_unmoved(f"{item.promotion.name}: tag", moved)


def _summary(done: PromotionReport) -> str:
    from pipeline_kit.outputs.promotion_plan import format_bytes
    from pipeline_kit.outputs.text import format_seconds

    statuses = [item.status if item.status in ("promoted", "unchanged") else "failed" for item in done.images]
    parts = [f"{statuses.count(word)} {word}" for word in dict.fromkeys(statuses)]
    mounted, sent = sum(item.mounted for item in done.images), sum(item.sent for item in done.images)
    head = "interrupted: " if done.is_interrupted else ""
    return (
        f"{head}{', '.join(parts) or 'nothing to promote'} in {format_seconds(done.seconds)}"
        f" ({format_bytes(sent)} sent, {mounted} blobs mounted, {done.requests} requests)"
    )
