"""``pipeline-kit emit …``: digests in the form that other programs read."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipeline_kit.cli.messages import say
from pipeline_kit.cli.options import option
from pipeline_kit.cli.shared import images_argument, open_session, print_product

if TYPE_CHECKING:
    from collections.abc import Callable

    from pipeline_kit.cli.main import Settings
    from pipeline_kit.outputs.emitted.image import PinnedImage


@click.group("emit")
def command() -> None:
    """Print images by digest in the form that Kubernetes, Compose, Swarm and scripts take.

    The images (all, or those named) must be in the registry under this checkout's content tags; nothing is built. With
    --report FILE the digests come from a report of build: neither checkout nor registry is asked.
    """


def _source_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add what every form takes: images, where the digests come from, where the text goes."""
    out = option("--out", metavar="FILE", type=click.Path(path_type=Path), help="Write a file instead of printing.")
    report = option(
        "--report",
        metavar="FILE",
        type=click.Path(path_type=Path),
        help="Take the digests from a report of build instead of asking the registry.",
    )
    return images_argument(out(report(function)))


def _images(settings: Settings, names: tuple[str, ...], report: Path | None) -> list[PinnedImage]:
    from pipeline_kit.app.handing_on import present_images, reported_images

    if report is not None:
        return reported_images(report, names)
    with open_session(settings) as session:
        return present_images(session, names)


def _hand_over(settings: Settings, text: str, out: Path | None) -> None:
    from pipeline_kit.outputs.files import write_atomically

    if out is None:
        print_product(text)
        return
    write_atomically(out, text.encode())
    if settings.verbosity >= 0:
        say(f"wrote {out}")


@command.command("kustomize")
@_source_options
@option(
    "--name",
    metavar="TEMPLATE",
    default="{name}",
    help="How manifests call an image: {name} (default), {repository}, {path}.",
)
@click.pass_obj
def kustomize(settings: Settings, images: tuple[str, ...], report: Path | None, out: Path | None, name: str) -> None:
    """Print a Kustomize component that sets images: newName and digest of each."""
    from pipeline_kit.outputs.emitted.kubernetes import kustomize as rendered

    _hand_over(settings, rendered(_images(settings, images, report), name), out)


@command.command("helm-values")
@_source_options
@option(
    "--key", metavar="TEMPLATE", default="{name}.image", help="Where each image stands in the values: {name}.image."
)
@option(
    "--layout",
    type=click.Choice(["repository", "registry", "reference"]),
    default="repository",
    help="repository, tag and digest; registry apart from repository; or one text repository@digest.",
)
@click.pass_obj
def helm_values(
    settings: Settings, images: tuple[str, ...], report: Path | None, out: Path | None, key: str, layout: str
) -> None:
    """Print Helm values."""
    from pipeline_kit.outputs.emitted.kubernetes import helm_values as rendered

    _hand_over(settings, rendered(_images(settings, images, report), key, layout=layout), out)


_service_option = option(
    "--service",
    "services",
    metavar="SERVICE=IMAGE",
    multiple=True,
    help="A service and its image, where the names differ; given once, only such are written.",
)


def _services(pairs: tuple[str, ...]) -> dict[str, str]:
    from pipeline_kit.errors import InputError

    found: dict[str, str] = {}
    for pair in pairs:
        service, equals, image = pair.partition("=")
        if not (service and equals and image):
            raise InputError(f"--service {pair!r} is not SERVICE=IMAGE")
        found[service] = image
    return found


@command.command("compose")
@_source_options
@_service_option
@click.pass_obj
def compose(
    settings: Settings, images: tuple[str, ...], report: Path | None, out: Path | None, services: tuple[str, ...]
) -> None:
    """Print a Compose override file that gives each service its image."""
    from pipeline_kit.outputs.emitted.services import compose as rendered

    named = _services(services)
    _hand_over(settings, rendered(_images(settings, images, report), named), out)


@command.command("swarm")
@_source_options
@_service_option
@click.pass_obj
def swarm(
    settings: Settings, images: tuple[str, ...], report: Path | None, out: Path | None, services: tuple[str, ...]
) -> None:
    """Print a further file for docker stack deploy that gives each service its image."""
    from pipeline_kit.outputs.emitted.services import stack as rendered

    named = _services(services)
    _hand_over(settings, rendered(_images(settings, images, report), named), out)


@command.command("env")
@_source_options
@option("--variable", metavar="TEMPLATE", default="{NAME}_IMAGE", help="Name of each variable: {NAME}_IMAGE.")
@click.pass_obj
def env(settings: Settings, images: tuple[str, ...], report: Path | None, out: Path | None, variable: str) -> None:
    """Print an env file: API_IMAGE=repository@digest."""
    from pipeline_kit.outputs.emitted.scripts import env_file

    _hand_over(settings, env_file(_images(settings, images, report), variable), out)


@command.command("json")
@_source_options
@click.pass_obj
def as_json(settings: Settings, images: tuple[str, ...], report: Path | None, out: Path | None) -> None:
    """Print JSON: image, repository, digest and tag by name."""
    from pipeline_kit.outputs.emitted.scripts import json_document

    _hand_over(settings, json_document(_images(settings, images, report)), out)
