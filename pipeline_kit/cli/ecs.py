"""``pipeline-kit ecs …``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline_kit.cli.messages import say
from pipeline_kit.cli.options import option
from pipeline_kit.cli.shared import open_session, print_product

if TYPE_CHECKING:
    from pipeline_kit.cli.main import Settings


@click.group("ecs")
def command() -> None:
    """ECS task definitions with the digests of this checkout's images."""


@command.command("render")
@click.argument("services", nargs=-1, metavar="[SERVICE]...")
@option(
    "--out",
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write one file a service, ENVIRONMENT-SERVICE.json, instead of printing.",
)
@click.pass_obj
def render(settings: Settings, services: tuple[str, ...], out: Path | None) -> None:
    """Print task definitions with every listed container set to repository@digest.

    The images must be in the registry under this checkout's content tags; nothing is built.
    """
    from pipeline_kit.app import task_definitions
    from pipeline_kit.app.planning import make_plan
    from pipeline_kit.errors import InputError

    with open_session(settings) as session:
        chosen = task_definitions.services(session.project, services)
        if not chosen:
            raise InputError("there is nothing to render: deploy.ecs is empty")
        if out is None and len(chosen) > 1:
            listed = ", ".join(f"{environment}/{service.name}" for environment, service in chosen)
            raise InputError(f"several services match: {listed}", hint="name one, or give --out DIR")
        task_definitions.check(session.project)
        wanted = tuple(dict.fromkeys(image for _, service in chosen for image in service.containers.values()))
        plan, _ = make_plan(session.project, wanted, session.around, session.registry)
        rendered = task_definitions.render_services(session.project, chosen, task_definitions.present(plan, wanted))
    if out is None:
        print_product(rendered[0].data.decode("utf-8"))
        return
    for path in task_definitions.write(rendered, out):
        if settings.verbosity >= 0:
            say(f"wrote {path}")
