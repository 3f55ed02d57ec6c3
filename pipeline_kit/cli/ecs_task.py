"""``pipeline-kit ecs run-task``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pipeline_kit.cli.ecs_options import choose, cloud_opener, documents_of
from pipeline_kit.cli.messages import say
from pipeline_kit.cli.options import option
from pipeline_kit.cli.shared import open_session, print_product

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from pipeline_kit.app.clouds import Cloud
    from pipeline_kit.cli.main import Settings
    from pipeline_kit.config import EcsService


@click.command("run-task")
@click.argument("service")
@option("--container", metavar="NAME", help="The container that counts and takes the command.")
@option("--command", "words", metavar="WORDS", help="Its command for this run; split as a shell does.")
@option("--env", "variables", multiple=True, metavar="NAME=VALUE", help="A variable of it for this run.")
@option("--revision", metavar="REVISION", help="Run this registered revision instead of this checkout's.")
@option("--wait/--no-wait", default=True, help="Wait for the end and show the log (default), or only start it.")
@option("--timeout", metavar="SECONDS", type=click.IntRange(1), default=3600, show_default=True, help="Wait so long.")
@click.pass_obj
def run_task(
    settings: Settings,
    service: str,
    container: str | None,
    words: str | None,
    variables: tuple[str, ...],
    revision: str | None,
    wait: bool,
    timeout: int,
) -> None:
    """Run one task, such as a migration, from the images by digest; its log goes to stdout.

    It runs where the service runs, unless the configuration says otherwise. Exits with 1 when the container exits with
    anything but 0 or never ran.
    """
    from pipeline_kit.adapters.system_clock import SystemClock
    from pipeline_kit.app.one_off import OneOff, Runner, placement
    from pipeline_kit.app.signals import interruptible
    from pipeline_kit.errors import InputError
    from pipeline_kit.outputs.sanitize import log_line
    from pipeline_kit.task_definition import split_command

    try:
        command = split_command(words) if words is not None else None
    except ValueError as error:
        raise InputError(f"--command {words!r}: {error}", hint="close the quote") from error
    pairs = [text.partition("=") for text in variables]
    if any(not name or not equals for name, equals, _ in pairs):
        raise InputError("--env takes NAME=VALUE")
    environment = {name: value for name, _, value in pairs}
    asked = OneOff(container, command, environment, timeout, wait)
    with open_session(settings) as session, interruptible():
        chosen = choose(session, [service])
        if len(chosen) != 1:
            listed = ", ".join(f"{name}/{one.name}" for name, one in chosen)
            raise InputError(f"several services match: {listed}", hint="name one")
        where, config = chosen[0]
        opener = cloud_opener(session)
        cloud, cluster = opener(where), session.project.config.ecs[where].cluster
        if revision is not None:
            arn, document = _named(cloud, revision)
        else:
            ((_, _, rendered),) = documents_of(session, chosen, {}, opener)
            arn, document = _registered(cloud, rendered)
        place = placement(config, _running(cloud, cluster, config))
        quiet = settings.verbosity < 0
        runner = Runner(
            cloud.ecs,
            cluster,
            SystemClock(),
            (lambda _: None) if quiet else (lambda text: say(f"[{service}] {text}")),
            lambda line: print_product(log_line(line)),
        )
        task = runner.run(document, arn, place, asked)
    if not wait:
        print_product(task.arn)


def _named(cloud: Cloud, revision: str) -> tuple[str, Mapping[str, Any]]:
    from pipeline_kit.errors import InputError

    found = cloud.ecs.describe(revision)
    if found is None:
        raise InputError(f"ECS has no task definition {revision}", hint="write family:revision, or an ARN")
    return found.arn, found.document


def _registered(cloud: Cloud, document: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    from pipeline_kit.app.deploy_register import register

    done = register(cloud.ecs, document)
    return done.revision.arn, document


def _running(cloud: Cloud, cluster: str, config: EcsService) -> Any:
    if config.is_task or config.network is not None:
        return None
    return cloud.ecs.services(cluster, [config.service]).get(config.service)
