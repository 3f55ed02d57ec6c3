"""``pipeline-kit config``."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from pipeline_kit.cli.options import option
from pipeline_kit.cli.shared import print_json

if TYPE_CHECKING:
    from pipeline_kit.cli.main import Settings


@click.command("config")
@option("--schema", "wants_schema", is_flag=True, help="Print the JSON Schema of pipeline-kit.yaml instead.")
@click.pass_obj
def command(settings: Settings, wants_schema: bool) -> None:
    """Print the resolved configuration as JSON: defaults and environment applied."""
    from pipeline_kit.config.render import resolved
    from pipeline_kit.config.schema import schema

    if wants_schema:
        print_json(schema())
        return
    from pipeline_kit.app.project import open_project

    print_json(resolved(open_project(settings.directory, settings.config, os.environ).config))
