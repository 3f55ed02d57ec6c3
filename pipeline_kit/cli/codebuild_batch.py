"""``pipeline-kit codebuild-batch``: start the builds of a plan as a CodeBuild batch, and wait for them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline_kit.cli.messages import say, tell_error
from pipeline_kit.cli.options import option
from pipeline_kit.cli.shared import json_option, print_json, print_product

if TYPE_CHECKING:
    from pipeline_kit.cli.main import Settings

_LARGEST = 1 << 20


@click.command("codebuild-batch")
@json_option
@option(
    "--buildspec",
    metavar="FILE",
    type=click.Path(path_type=Path),
    required=True,
    help="What plan --format codebuild-batch wrote; where that is nothing, nothing is started.",
)
@option("--project", metavar="NAME", help="CodeBuild project of the builds; default: the one this build runs in.")
@option("--source-version", metavar="VERSION", help="What the builds check out; default: what this build did.")
@option(
    "--env",
    "variables",
    metavar="NAME",
    multiple=True,
    help="Hand a variable on to the builds, in clear; may be repeated.",
)
@option("--wait/--no-wait", default=True, help="Follow the batch to its end (default), or only start it.")
@option("--poll", metavar="SECONDS", type=click.FloatRange(0.1), default=10.0, help="Time between looks; default 10.")
@click.pass_obj
def command(
    settings: Settings,
    as_json: bool,
    buildspec: Path,
    project: str | None,
    source_version: str | None,
    variables: tuple[str, ...],
    wait: bool,
    poll: float,
) -> int:
    """Start a CodeBuild batch and follow it: exit 0 when all its builds succeeded, 1 when not.

    An interruption stops the batch.
    """
    from pipeline_kit.adapters.aws.ecs_clients import AwsClients
    from pipeline_kit.adapters.ci import detect
    from pipeline_kit.adapters.system_clock import SystemClock
    from pipeline_kit.app import codebuild_batch as batches
    from pipeline_kit.app.signals import interruptible
    from pipeline_kit.errors import WorkFailed
    from pipeline_kit.outputs.sanitize import one_line

    def tell(text: str) -> None:
        if settings.verbosity >= 0:
            say(text)

    text = _read(buildspec)
    if batches.is_nothing(text):
        tell("nothing to build: no batch is started")
        if as_json:
            print_json({"arn": None, "status": "NOTHING_TO_DO", "builds": {}})
        return 0
    version = batches.source_version(detect(os.environ), os.environ) if source_version is None else source_version
    if not version:
        tell("note: what this build checked out is not told: the batch builds what its project says")
    order = batches.BatchOrder(_project(project), text, version, _values(variables))
    with interruptible():
        result = batches.run_batch(order, AwsClients().call, SystemClock(), tell, every=poll, wait=wait)
    if as_json:
        print_json(result.document())
    else:
        print_product(one_line(f"{result.arn} {result.status}"))
    if result.succeeded or not wait:
        return 0
    failed = [name for name, build in result.builds.items() if build.state not in ("", "SUCCEEDED", "IN_PROGRESS")]
    told = f": {', '.join(failed)}" if failed else ""
    error = WorkFailed(f"the batch ended as {result.status}{told}", hint="look at the failed builds' logs")
    tell_error(error)
    return error.exit_code


def _read(path: Path) -> str:
    from pipeline_kit.errors import InputError

    try:
        with path.open("rb") as stream:
            return stream.read(_LARGEST).decode()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        hint = "write it with: pipeline-kit plan --format codebuild-batch"
        raise InputError(f"{path}: {reason}", hint=hint) from error


def _project(name: str | None) -> str:
    found = name or os.environ.get("CODEBUILD_BUILD_ID", "").partition(":")[0]
    if not found:
        raise click.UsageError("which project? Not in a CodeBuild build: give --project NAME")
    return found


def _values(names: tuple[str, ...]) -> dict[str, str]:
    from pipeline_kit.config.secrecy import is_secret_name, is_secret_value

    missing = next((name for name in names if name not in os.environ), None)
    if missing is not None:
        raise click.UsageError(f"--env {missing}: that variable is not set")
    values = {name: os.environ[name] for name in names}
    secret = next((name for name, value in values.items() if is_secret_name(name) or is_secret_value(value)), None)
    if secret is not None:
        raise click.UsageError(
            f"--env {secret}: it looks like a secret, and everybody who sees the batch could read it;"
            " give the builds' project a variable from Secrets Manager instead"
        )
    return values
