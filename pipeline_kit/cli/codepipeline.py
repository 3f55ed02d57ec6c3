"""``pipeline-kit codepipeline``: the files of CodePipeline's ECS actions."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline_kit.cli.ecs_options import choose, cloud_opener, services_argument
from pipeline_kit.cli.messages import say
from pipeline_kit.cli.options import option
from pipeline_kit.cli.shared import open_session

if TYPE_CHECKING:
    from pipeline_kit.cli.main import Settings


@click.command("codepipeline")
@services_argument
@option(
    "--out",
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    default=".",
    help="Where the files go (default: here); those of several services below ENVIRONMENT/SERVICE.",
)
@option(
    "--report",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Take the digests from a report of build instead of asking the registry.",
)
@option(
    "--kind",
    type=click.Choice(["standard", "blue-green"]),
    help="Instead of what the configuration says: blue-green where a service has codedeploy.",
)
@click.pass_obj
def command(settings: Settings, services: tuple[str, ...], out: Path, report: Path | None, kind: str | None) -> None:
    """Write the files that CodePipeline's ECS actions read, with images by digest.

    Standard: imagedefinitions.json. Blue/green: taskdef.json, appspec.yaml, and an imageDetail.json for each image. The
    images must be in the registry; nothing is built.
    """
    from pipeline_kit.app import codepipeline_files
    from pipeline_kit.app.deploy_images import pinned_images, wanted_images
    from pipeline_kit.app.handing_on import reported_images

    with open_session(settings) as session:
        chosen, opener = choose(session, services), cloud_opener(session)
        if report is None:
            pinned = pinned_images(session, chosen)
        else:
            pinned = {image.name: image.pinned for image in reported_images(report, wanted_images(chosen))}
        rendered = codepipeline_files.render(
            session.project, chosen, pinned, lambda environment: opener(environment).ecs, kind=kind
        )
    paths = codepipeline_files.write(rendered, out)
    if settings.verbosity < 0:
        return
    for path in paths:
        say(f"wrote {path}")
    for item in rendered:
        for number, image in enumerate(item.images, 1):
            say(f"{item.key}: Image{number}ContainerName is IMAGE{number}_NAME: image {image}")
