"""The command group: global options, and commands that are loaded when they are used."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import click

from pipeline_kit import __version__
from pipeline_kit.cli.options import option

_COMMANDS = {
    "build": "pipeline_kit.cli.build",
    "config": "pipeline_kit.cli.config",
    "doctor": "pipeline_kit.cli.doctor",
    "ecs": "pipeline_kit.cli.ecs",
    "explain": "pipeline_kit.cli.explain",
    "lock": "pipeline_kit.cli.lock",
    "plan": "pipeline_kit.cli.plan",
    "tag": "pipeline_kit.cli.tag",
}
_SHORT_HELP = {
    "build": "Plan, build what is missing, push, alias, report.",
    "config": "Print the resolved configuration or its JSON Schema.",
    "doctor": "Check whether the checkout can be trusted.",
    "ecs": "ECS task definitions with this run's digests.",
    "explain": "Show the inputs behind a tag, or what changed in them.",
    "lock": "Write base image digests to pipeline-kit.lock.",
    "plan": "Show what would be built and why; change nothing.",
    "tag": "Print content tags.",
}


@dataclass(frozen=True, slots=True)
class Settings:
    """The global options."""

    directory: Path
    config: str | None
    log_format: str
    verbosity: int
    """-1 quiet, 0 normal, 1 and more verbose."""
    colour: bool | None
    """``None``: as the terminal and NO_COLOR say."""


class LazyGroup(click.Group):
    """A group whose commands live in modules of their own, imported only when named."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return all command names, sorted."""
        del ctx
        return sorted(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command ``cmd_name``, importing its module, or ``None``."""
        del ctx
        if cmd_name not in _COMMANDS:
            return None
        command = import_module(_COMMANDS[cmd_name]).command
        if not isinstance(command, click.Command):
            raise TypeError(cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands without importing any."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl(sorted(_SHORT_HELP.items()))


@click.group(
    cls=LazyGroup,
    context_settings={"auto_envvar_prefix": "PIPELINE_KIT", "help_option_names": ["-h", "--help"]},
)
@option(
    "-C",
    "directory",
    metavar="DIR",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=".",
    help="Look for pipeline-kit.yaml in DIR.",
)
@option("--config", "config", metavar="FILE", help="Configuration file, relative to DIR.")
@option(
    "--log-format",
    type=click.Choice(["auto", "text", "json", "github"]),
    default="auto",
    help="How progress is written to stderr.",
)
@option("-v", "--verbose", count=True, help="Say more: build logs, every retry.")
@option("-q", "--quiet", is_flag=True, help="Say nothing but errors.")
@option("--color/--no-color", "colour", default=None, help="Colour or none; default: as the terminal says.")
@click.version_option(__version__, prog_name="pipeline-kit", message="%(prog)s %(version)s")
@click.pass_context
def main(
    ctx: click.Context,
    directory: Path,
    config: str | None,
    log_format: str,
    verbose: int,
    quiet: bool,
    colour: bool | None,
) -> None:
    """Make sure no container image is ever built twice."""
    ctx.obj = Settings(directory, config, log_format, -1 if quiet else verbose, colour)
