"""``pipeline-kit alias``: tags for people, moved in the registry."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from pipeline_kit.cli.messages import say, tell_unmoved
from pipeline_kit.cli.options import option
from pipeline_kit.cli.shared import json_option, open_session, print_json, print_product

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline_kit.app.aliases import Aliased
    from pipeline_kit.cli.main import Settings


@click.command("alias")
@click.argument("words", nargs=-1, metavar="IMAGE[,IMAGE...] TAG...")
@json_option
@option("--all", "all_images", is_flag=True, help="Every image: then all words are tags.")
@option("--from", "at", metavar="TAG|DIGEST", help="The image by this name instead of the work tree's content tag.")
@option("--commit", "rev", metavar="REV", help="The image of a commit instead of the work tree; needs no checkout.")
@option("--force", is_flag=True, help="Move tags back too: to an image of an older commit.")
@click.pass_obj
def command(
    settings: Settings,
    words: tuple[str, ...],
    as_json: bool,
    all_images: bool,
    at: str | None,
    rev: str | None,
    force: bool,
) -> int:
    """Let every TAG name the image's digest, in the registry, without pulling.

    The image is the one under the content tag of the work tree. A tag that names it already is not written again; one
    that names an image of a newer commit stays where it is (exit 6) unless --force is given.
    """
    names, tags = _split(words, all_images=all_images)
    with open_session(settings) as session:
        from pipeline_kit.app.aliases import run_aliases
        from pipeline_kit.app.chosen import Selection
        from pipeline_kit.app.signals import interruptible

        with interruptible():
            done = run_aliases(session, Selection(names, at, rev), tags, force=force)
        code = max((item.exit_code for item in done), default=0)
        if as_json:
            print_json({"images": {item.image.name: _document(item) for item in done}, "exit_code": code})
        else:
            print_product("\n".join(_lines(done)))
        _tell(done)
        if settings.verbosity >= 0:
            moved = sum(alias.state == "moved" for item in done for alias in item.aliases)
            total = sum(len(item.aliases) for item in done)
            say(f"{moved} of {total} moved ({session.requests} requests, {session.seconds():.1f} s)")
    return code


def _split(words: Sequence[str], *, all_images: bool) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return image names (none means all) and tags. Raises click.UsageError."""
    if all_images:
        if not words:
            raise click.UsageError("give at least one TAG")
        return (), tuple(words)
    if len(words) < 2:  # noqa: PLR2004 - an image and a tag
        raise click.UsageError("give an IMAGE and at least one TAG, or --all and at least one TAG")
    names = tuple(dict.fromkeys(name for name in words[0].split(",") if name))
    if not names:
        raise click.UsageError("give an IMAGE before the tags")
    return names, tuple(words[1:])


def _document(item: Aliased) -> dict[str, Any]:
    return {
        "tag": item.image.content_tag or item.image.source.tag,
        "reference": str(item.image.source),
        "digest": item.digest,
        "aliases": {moved.tag: {"state": moved.state, "detail": moved.detail} for moved in item.aliases},
    }


def _lines(done: Sequence[Aliased]) -> list[str]:
    from pipeline_kit.outputs.sanitize import one_line

    return [
        one_line(f"{item.image.name} {item.image.source.with_tag(moved.tag)}@{item.digest} {moved.state}")
        for item in done
        for moved in item.aliases
    ]


def _tell(done: Sequence[Aliased]) -> None:
    for item in done:
        for moved in item.aliases:
            tell_unmoved(f"{item.image.name}: alias", moved)
