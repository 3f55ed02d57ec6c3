"""``pipeline-kit init``."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, TypeVar

import click

from pipeline_kit.adapters.templates import template_names
from pipeline_kit.app.init_templates import DEFAULT
from pipeline_kit.cli.messages import say
from pipeline_kit.cli.options import option
from pipeline_kit.cli.shared import json_option, print_json, print_product
from pipeline_kit.config.starting.found import KINDS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from pipeline_kit.adapters.templates import Kind
    from pipeline_kit.app.init import Begun
    from pipeline_kit.cli.main import Settings

_Command = TypeVar("_Command", bound="Callable[..., Any]")
_MOST_LINES = 20


def _template_option(flag: str, parameter: str, kind: Kind, what: str, which: str) -> Callable[[_Command], _Command]:
    known = ", ".join(template_names(kind))
    text = f"Write a {what} too; may be repeated. Without NAME: {which}. There are: {known}."
    return option(flag, parameter, metavar="[NAME]", is_flag=False, flag_value="", multiple=True, help=text)


@click.command("init")
@option("--registry", default="", metavar="HOST[/PATH]", help="Where images go; default: what is found says it.")
@option("--project", default="", metavar="NAME", help="First part of the repositories' names.")
@option(
    "--from",
    "kinds",
    multiple=True,
    type=click.Choice(KINDS),
    help="Take images from this alone: a bake, chartpress, skaffold or Compose file, Dockerfiles; may be repeated.",
)
@_template_option("--github", "github", "workflows", "GitHub workflow", "one job that fits the registry")
@_template_option("--codebuild", "codebuild", "buildspecs", "buildspec for AWS CodeBuild", DEFAULT)
@option("--action-ref", metavar="OWNER/REPOSITORY@COMMIT", help="Where workflows take pipeline-kit's actions from.")
@option("--force", is_flag=True, help="Replace files that are there.")
@option("--print", "is_printed", is_flag=True, help="Print pipeline-kit.yaml to stdout; write nothing.")
@option("--output", metavar="FILE", help="Write the configuration to FILE, relative to DIR; - is --print.")
@json_option
@click.pass_obj
def command(
    settings: Settings,
    registry: str,
    project: str,
    kinds: tuple[str, ...],
    github: tuple[str, ...],
    codebuild: tuple[str, ...],
    action_ref: str | None,
    force: bool,
    is_printed: bool,
    output: str | None,
    as_json: bool,
) -> None:
    """Write a first pipeline-kit.yaml from what is found: bake, Compose, Skaffold and chartpress files, Dockerfiles.

    Nothing that is there is replaced without --force, and either all files are written or none. Stdout names them;
    stderr tells what was found, chosen and left out.
    """
    from pipeline_kit.app.init import InitOptions, begin, write

    is_printed = is_printed or output == "-"
    if is_printed and (github or codebuild or as_json):
        raise click.UsageError("--print prints pipeline-kit.yaml alone: leave out --github, --codebuild and --json")
    named = settings.config if output in (None, "-") else output
    options = InitOptions(registry, project, kinds or KINDS, github, codebuild, action_ref)
    begun = begin(settings.directory, named, options, os.environ)
    if is_printed:
        _tell(settings, begun, tail=False)
        print_product(begun.started.text)
        return
    paths = write(begun, force=force)
    _tell(settings, begun, tail=True)
    if as_json:
        print_json(_document(begun, paths))
    else:
        print_product("\n".join(map(os.path.relpath, paths)))


def _tell(settings: Settings, begun: Begun, *, tail: bool) -> None:
    if settings.verbosity < 0:
        return
    started = begun.started
    _say_some(settings, started.account.chosen)
    _say_some(settings, [f"left out: {what}: {why}" for what, why in started.account.left_out])
    count, names = len(started.images), ", ".join(started.images[:_MOST_LINES])
    say(f"{count} image{'s' if count != 1 else ''}: {names}{', …' if count > _MOST_LINES else ''}")
    if begun.needs_registry:
        say(f"no registry was found: write it into {begun.path}, or set REGISTRY, or give --registry")
    if started.waiting:
        say(f"values are asked for: set {', '.join(started.waiting)}, or write them under 'args' in {begun.path}")
    if started.services:
        say(f"deploy: stands in {begun.path.name} as a comment: take the # away and name the cluster")
    _tell_templates(begun)
    if tail:
        say("next: pipeline-kit plan")


def _tell_templates(begun: Begun) -> None:
    host = begun.started.place.host
    for template in begun.templates:
        if template.has_placeholder:
            say(f"{template.path}: put the repository and commit of pipeline-kit in place of OWNER and COMMIT")
        if "registry: ghcr.io" in template.text and host != "ghcr.io" and not begun.needs_registry:
            say(f"{template.path}: it logs in to ghcr.io, and images go to {host}")
    if begun.inside != ".":
        say(f"only {begun.inside} was looked at: the repository begins above it")
        if begun.templates:
            say(f"the files above have to name that directory (working-directory, PK_DIRECTORY: {begun.inside})")


def _say_some(settings: Settings, lines: Sequence[str]) -> None:
    shown = lines if settings.verbosity > 0 or len(lines) <= _MOST_LINES else lines[: _MOST_LINES - 1]
    for line in shown:
        say(line)
    if len(shown) < len(lines):
        say(f"… and {len(lines) - len(shown)} more: pipeline-kit -v init")


def _document(begun: Begun, paths: Sequence[Path]) -> dict[str, Any]:
    started = begun.started
    return {
        "written": list(map(os.path.relpath, paths)),
        "images": list(started.images),
        "imports": list(started.imports),
        "registry": None if begun.needs_registry else started.place.registry,
        "project": started.place.project,
        "chosen": started.account.chosen,
        "left_out": [{"what": what, "why": why} for what, why in started.account.left_out],
    }
