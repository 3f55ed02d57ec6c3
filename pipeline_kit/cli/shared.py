"""What every command does alike: open a session, print a product."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipeline_kit.allowances import ALLOWABLE
from pipeline_kit.cli.messages import say
from pipeline_kit.cli.options import option
from pipeline_kit.outputs.text import tolerate

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pipeline_kit.adapters.registry.retrying import Retry
    from pipeline_kit.app.session import Session
    from pipeline_kit.cli.main import Settings

images_argument = click.argument("images", nargs=-1, metavar="[IMAGE]...")
verify_option = option(
    "--verify",
    type=click.Choice(["tag", "label", "record", "deep"]),
    help="How much proof a hit needs, instead of what the configuration says.",
)
platform_option = option(
    "--platform", metavar="PLATFORM", help="Build this one of each image's platforms; see pipeline-kit join."
)
allow_option = option(
    "--allow",
    multiple=True,
    metavar="RULE",
    type=click.Choice(ALLOWABLE),
    help="Build what is so as it lies on disk: " + ", ".join(ALLOWABLE) + "; may be repeated.",
)
manifests_option = option(
    "--manifest",
    "manifests",
    metavar="FILE",
    multiple=True,
    type=click.Path(path_type=Path),
    help="YAML or JSON whose images are in use: Kubernetes, Compose, kubectl get -o json; - is stdin.",
)
exports_option = option(
    "--exports",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Write PK_IMAGES, PK_BUILT and the like for a shell: read it with `. FILE`.",
)
html_option = option(
    "--html",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Write an HTML page about it to FILE; it loads nothing and needs no script.",
)
json_option = option("--json", "as_json", is_flag=True, help="Print JSON.")


def open_session(settings: Settings, allowed: Iterable[str] = ()) -> Session:
    """Open the session of one command and say the warnings of its configuration and CI."""
    from pipeline_kit.app.session import open_session as open_it

    def on_retry(retry: Retry) -> None:
        if settings.verbosity > 0:
            say(str(retry))

    place = (settings.directory, settings.config, os.environ)
    session = open_it(*place, on_retry=on_retry, allowed=allowed, ahead=settings.ahead)
    if settings.verbosity >= 0:
        for warning in (*map(str, session.project.config.warnings), *session.ci.warnings):
            say(f"warning: {warning}")
    return session


def tell_scope(settings: Settings, session: Session, *, push: bool | None = None) -> None:
    """Say where an untrusted run writes, and that a run without credentials does not."""
    if settings.verbosity < 0:
        return
    around = session.around
    if around.is_read_only and not push:
        say("note: this run has no credentials to push with: it reads what can be read, and pushes nothing")
    elif not around.scope.is_trusted and push is not False:
        say(f"note: an untrusted run ({around.scope.because}): what it pushes goes to {around.scope.repository('…')}")


def print_product(text: str) -> None:
    """Write to stdout exactly what a script reads.

    In GitHub's log, where stdout is scanned for commands, no line is one: JSON keeps its values, in other text a blank
    breaks it up. Raises OutputFailed, or ReaderGone when nobody reads any more.
    """
    from pipeline_kit.errors import OutputFailed, ReaderGone

    if os.environ.get("GITHUB_ACTIONS") == "true" and ("::" in text or "##[" in text):
        from pipeline_kit.outputs.sanitize import inert, inert_json

        text = inert_json(text) if text.lstrip()[:1] in ("{", "[") else inert(text)
    if sys.stdout is None:
        raise OutputFailed("standard output is closed", hint="give the command somewhere to write, or >/dev/null")
    try:
        click.echo(text, file=tolerate(sys.stdout), nl=not text.endswith("\n"))
    except BrokenPipeError as error:
        raise ReaderGone("nobody reads standard output any more") from error
    except OSError as error:
        raise OutputFailed(f"cannot write to standard output: {error.strerror or error}") from error


def print_json(document: Any) -> None:
    """Write a JSON document to stdout."""
    import json

    from pipeline_kit.outputs.sanitize import inert_json

    print_product(inert_json(json.dumps(document, indent=2, ensure_ascii=True)))


def wants_colour(settings: Settings) -> bool:
    """Return whether stdout takes colour."""
    if settings.colour is not None:
        return settings.colour
    return (
        sys.stdout is not None
        and sys.stdout.isatty()
        and not os.environ.get("NO_COLOR")
        and os.environ.get("TERM") != "dumb"
    )
