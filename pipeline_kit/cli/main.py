"""The command group: global options, and commands that are loaded when they are used."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline_kit import __version__
from pipeline_kit.cli.options import option
from pipeline_kit.named_tuple import NamedTuple

if TYPE_CHECKING:
    from pipeline_kit.app.ahead import Beginning

_COMMANDS = {
    "alias": "pipeline_kit.cli.alias",
    "build": "pipeline_kit.cli.build",
    "codebuild-batch": "pipeline_kit.cli.codebuild_batch",
    "codepipeline": "pipeline_kit.cli.codepipeline",
    "config": "pipeline_kit.cli.config",
    "doctor": "pipeline_kit.cli.doctor",
    "ecs": "pipeline_kit.cli.ecs",
    "emit": "pipeline_kit.cli.emit",
    "explain": "pipeline_kit.cli.explain",
    "init": "pipeline_kit.cli.init",
    "join": "pipeline_kit.cli.join",
    "lifecycle-policy": "pipeline_kit.cli.lifecycle_policy",
    "lock": "pipeline_kit.cli.lock",
    "login": "pipeline_kit.cli.login",
    "plan": "pipeline_kit.cli.plan",
    "promote": "pipeline_kit.cli.promote",
    "prune": "pipeline_kit.cli.prune",
    "replay": "pipeline_kit.cli.replay",
    "scan": "pipeline_kit.cli.scan",
    "stats": "pipeline_kit.cli.stats",
    "tag": "pipeline_kit.cli.tag",
}
_SHORT_HELP = {
    "alias": "Move tags for people to an image's digest.",
    "build": "Plan, build what is missing, push, alias, report.",
    "codebuild-batch": "Start a plan's builds as a CodeBuild batch, and wait.",
    "codepipeline": "Write the files of CodePipeline's ECS actions.",
    "config": "Print the resolved configuration or its JSON Schema.",
    "doctor": "Check checkout, registry, engine, AWS and CI.",
    "ecs": "ECS task definitions with this run's digests.",
    "emit": "Digests for Kubernetes, Compose, Swarm and scripts.",
    "explain": "Show the inputs behind a tag, or what changed in them.",
    "init": "Write a first pipeline-kit.yaml from what is found.",
    "join": "Make images whole whose platforms were built apart.",
    "lifecycle-policy": "Write or simulate an ECR lifecycle policy.",
    "lock": "Write base image digests to pipeline-kit.lock.",
    "login": "Log in to registries; ECR through AWS.",
    "plan": "Show what would be built and why; change nothing.",
    "promote": "Copy images by digest to other repositories.",
    "prune": "Delete images that nothing uses and no rule keeps.",
    "replay": "Show from git's history what would have been built.",
    "scan": "Wait for the registry's image scan; fail on severity.",
    "stats": "Show builds, their causes, and what skipping saved.",
    "tag": "Print content tags.",
}


class Settings(NamedTuple):
    """The global options."""

    directory: Path
    config: str | None
    log_format: str
    verbosity: int
    """-1 quiet, 0 normal, 1 and more verbose."""
    colour: bool | None
    """``None``: as the terminal and NO_COLOR say."""
    ahead: Beginning | None
    """What was begun before the command line was loaded."""


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
    ctx.obj = Settings(directory, config, log_format, -1 if quiet else verbose, colour, ctx.obj)
