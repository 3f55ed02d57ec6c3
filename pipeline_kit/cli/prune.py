"""``pipeline-kit prune``: images that no rule keeps."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import click

from pipeline_kit.cli.messages import say
from pipeline_kit.cli.options import option
from pipeline_kit.cli.results import for_github, write_each
from pipeline_kit.cli.shared import (
    images_argument,
    json_option,
    manifests_option,
    open_session,
    print_json,
    print_product,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from pipeline_kit.app.prune import PruneReport, RepositoryPlan
    from pipeline_kit.app.session import Session
    from pipeline_kit.cli.main import Settings
    from pipeline_kit.ports.images import Removal
    from pipeline_kit.retention import Decided


@click.command("prune")
@images_argument
@json_option
@option("--yes", is_flag=True, help="Delete; without it nothing is.")
@option("--dry-run", is_flag=True, help="Show what would be deleted (default without --yes).")
@manifests_option
@option(
    "--keep-commit", "commits", metavar="REV", multiple=True, help="Keep this commit's images, as a pull request's."
)
@option("--skip-ref", "skipped", metavar="PATTERN", multiple=True, help="Do not keep these branches' and tags' images.")
@click.pass_obj
def command(
    settings: Settings,
    images: tuple[str, ...],
    as_json: bool,
    yes: bool,
    dry_run: bool,
    manifests: tuple[Path, ...],
    commits: tuple[str, ...],
    skipped: tuple[str, ...],
) -> int:
    """List every image of the repositories with why it is kept or goes; with --yes, delete what goes.

    Kept is what runs in ECS or stands in manifests, what branches and tags need, what is young or among the newest as
    retention: says, and what belongs to a kept image. Nothing is deleted while one of these cannot be asked.
    """
    from pipeline_kit.app.chosen import require_trusted
    from pipeline_kit.app.prune import PruneOptions, Pruner, PruneReport, open_store, open_where
    from pipeline_kit.errors import InputError

    if yes and dry_run:
        raise InputError("--yes and --dry-run exclude each other")
    with open_session(settings) as session:
        if yes:
            require_trusted(session)
        pruner = Pruner(session, open_store(session), open_where(session))
        plans = pruner.plan(PruneOptions(images, manifests, commits, skipped))
        done = pruner.carry_out(plans) if yes else PruneReport(plans)
    if as_json:
        print_json(_document(done, deleted=yes))
    else:
        print_product("\n".join(_lines(plans)) or "no images")
    _tell(settings, done, deleted=yes)
    return write_each(_for_github(session, done, deleted=yes), done.exit_code)


def _for_github(session: Session, done: PruneReport, *, deleted: bool) -> list[Callable[[], None]]:
    """Return what writes the step's outputs and summary, where the CI has such files."""
    from pipeline_kit.outputs.pruning import PruneRow, write_prune_outputs, write_pruning

    rows = [
        PruneRow(
            plan.repository.name,
            len(plan.images) - len(plan.going),
            len(plan.going),
            _bytes(plan),
            sum(removal.outcome == "deleted" for removal in done.removals.get(plan.repository.name, ())),
        )
        for plan in done.plans
    ]
    return for_github(
        session,
        lambda path: write_prune_outputs(path, rows),
        lambda path: write_pruning(path, rows, is_carried_out=deleted),
    )


def _lines(plans: Sequence[RepositoryPlan]) -> list[str]:
    from pipeline_kit.outputs.columns import aligned

    rows = [
        (item_plan.repository.name, _short(item.image.digest), _tags(item), _verb(item), item.reason)
        for item_plan in plans
        for item in sorted(item_plan.images, key=lambda item: (item.keep, not item.image.tags, item.image.tags))
    ]
    return aligned([("REPOSITORY", "DIGEST", "TAGS", "", "REASON"), *rows]) if rows else []


def _short(digest: str) -> str:
    return digest.partition(":")[2][:12]


def _tags(item: Decided) -> str:
    shown = [tag if len(tag) <= 24 else f"{tag[:20]}…" for tag in item.image.tags[:2]]  # noqa: PLR2004 - a column's width
    more = len(item.image.tags) - len(shown)
    return ",".join(shown) + (f",+{more}" if more > 0 else "") or "-"


def _verb(item: Decided) -> str:
    return "keep" if item.keep else "delete"


def _document(done: PruneReport, *, deleted: bool) -> dict[str, Any]:
    return {
        "deleted": deleted,
        "repositories": {
            plan.repository.name: {
                "images": [_image(item, _removals(done, plan).get(item.image.digest)) for item in plan.images],
                "keep": len(plan.images) - len(plan.going),
                "delete": len(plan.going),
                "bytes": _bytes(plan),
            }
            for plan in done.plans
        },
        "exit_code": done.exit_code,
    }


def _bytes(plan: RepositoryPlan) -> int:
    return sum(item.image.size for item in plan.going)


def _removals(done: PruneReport, plan: RepositoryPlan) -> dict[str, Removal]:
    return {removal.image.digest: removal for removal in done.removals.get(plan.repository.name, ())}


def _image(item: Decided, removal: Removal | None) -> dict[str, Any]:
    document: dict[str, Any] = {
        "digest": item.image.digest,
        "tags": list(item.image.tags),
        "decision": _verb(item),
        "reason": item.reason,
        "in_use": item.is_used,
        "created": None if item.image.created is None else int(item.image.created),
        "size": item.image.size,
    }
    return document if removal is None else {**document, "outcome": removal.outcome, "detail": removal.detail}


def _tell(settings: Settings, done: PruneReport, *, deleted: bool) -> None:
    from pipeline_kit.outputs.sanitize import one_line

    counts: Counter[str] = Counter()
    for plan in done.plans:
        for removal in done.removals.get(plan.repository.name, ()):
            counts[removal.outcome] += 1
            if removal.outcome in ("left", "failed"):
                word = "error" if removal.outcome == "failed" else "note"
                text = f"{word}: {plan.repository.name}@{removal.image.digest}: {removal.outcome}: {removal.detail}"
                say(one_line(text))
    if settings.verbosity < 0:
        return
    kept = sum(item.keep for plan in done.plans for item in plan.images)
    if deleted:
        say(", ".join([*(f"{count} {word}" for word, count in sorted(counts.items())), f"{kept} kept"]))
    else:
        going = sum(len(plan.going) for plan in done.plans)
        say(f"{going} would be deleted, {kept} kept; nothing was deleted (--yes deletes)")
