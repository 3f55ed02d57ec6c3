"""``pipeline-kit ecs …``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipeline_kit.cli.ecs_deploy import deploy
from pipeline_kit.cli.ecs_options import choose, cloud_opener, documents_of, edit_options, edits, services_argument
from pipeline_kit.cli.ecs_task import run_task
from pipeline_kit.cli.messages import say
from pipeline_kit.cli.options import option
from pipeline_kit.cli.shared import json_option, open_session, print_json, print_product

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipeline_kit.app.clouds import Cloud
    from pipeline_kit.cli.main import Settings
    from pipeline_kit.config import EcsService
    from pipeline_kit.ports.ecs import Check
    from pipeline_kit.task_definition import Difference

_DIFFERS = 10


@click.group("ecs")
def command() -> None:
    """ECS task definitions with the digests of this checkout's images, and what runs them."""


command.add_command(deploy)
command.add_command(run_task)


@command.command("render")
@services_argument
@option(
    "--out",
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write one file a service, ENVIRONMENT-SERVICE.json, instead of printing.",
)
@edit_options
@click.pass_obj
def render(settings: Settings, /, services: tuple[str, ...], out: Path | None, **changes: tuple[str, ...]) -> None:
    """Print task definitions with every listed container set to repository@digest.

    The images must be in the registry under this checkout's content tags; nothing is built.
    """
    from pipeline_kit.app import task_definitions
    from pipeline_kit.app.deploy_images import pinned_images
    from pipeline_kit.errors import InputError

    with open_session(settings) as session:
        chosen = choose(session, services)
        if out is None and len(chosen) > 1:
            listed = ", ".join(f"{environment}/{service.name}" for environment, service in chosen)
            raise InputError(f"several services match: {listed}", hint="name one, or give --out DIR")
        task_definitions.check(session.project, chosen)
        opener = cloud_opener(session)
        rendered = task_definitions.render_services(
            session.project,
            chosen,
            pinned_images(session, chosen),
            ecs_of=lambda environment: opener(environment).ecs,
            further=edits(**changes),
        )
    if out is None:
        print_product(rendered[0].data.decode("utf-8"))
        return
    for path in task_definitions.write(rendered, out):
        if settings.verbosity >= 0:
            say(f"wrote {path}")


@command.command("diff")
@services_argument
@json_option
@option(
    "--against",
    metavar="REVISION",
    help="Compare with 'service' (what it runs; the default), 'family' (its newest revision), or a revision.",
)
@option("--detailed-exitcode", is_flag=True, help="Exit with 10 when something differs.")
@edit_options
@click.pass_obj
def diff(
    settings: Settings,
    /,
    services: tuple[str, ...],
    as_json: bool,
    against: str | None,
    detailed_exitcode: bool,
    **changes: tuple[str, ...],
) -> int:
    """Show what a deployment would change, in the terms of ECS: defaults and order that mean nothing are left out."""
    from pipeline_kit.app.deploy_register import difference

    told: dict[str, Any] = {}
    with open_session(settings) as session:
        chosen, opener = choose(session, services), cloud_opener(session)
        for environment, service, document in documents_of(session, chosen, edits(**changes), opener):
            cloud = opener(environment)
            cluster = session.project.config.ecs[environment].cluster
            name = _compared(cloud, cluster, service, document, against)
            found, revision = difference(cloud.ecs, document, name)
            told[f"{environment}/{service.name}"] = (found, revision.arn if revision is not None else None)
    if as_json:
        members = {
            key: {"against": arn, "differences": [one.document() for one in found]}
            for key, (found, arn) in told.items()
        }
        print_json({"services": members})
    else:
        print_product("\n".join(_diff_lines(told)))
    return _DIFFERS if detailed_exitcode and any(found for found, _ in told.values()) else 0


def _compared(cloud: Cloud, cluster: str, service: EcsService, document: Mapping[str, Any], against: str | None) -> str:
    """Return the revision to compare with."""
    from pipeline_kit.app.deploy_register import family_of
    from pipeline_kit.errors import InputError

    if against not in (None, "service", "family"):
        return against
    if against != "family" and not service.is_task:
        running = cloud.ecs.services(cluster, [service.service]).get(service.service)
        if running is not None and running.definition:
            return running.definition
        if against == "service":
            raise InputError(f"the cluster {cluster} has no service {service.service}")
    return family_of(document)


def _diff_lines(told: dict[str, tuple[tuple[Difference, ...], str | None]]) -> list[str]:
    lines = []
    for key, (found, arn) in told.items():
        revision = arn.rpartition("/")[2] if arn else "nothing registered"
        lines.append(f"{key}: {f'{len(found)} differ from' if found else 'equal to'} {revision}")
        lines += [f"  {one}" for one in found]
    return lines


@command.command("register")
@services_argument
@json_option
@edit_options
@click.pass_obj
def register(settings: Settings, /, services: tuple[str, ...], as_json: bool, **changes: tuple[str, ...]) -> None:
    """Register task definitions; where an equal revision is there, print that one instead."""
    from pipeline_kit.app.deploy_register import register as register_one

    done: dict[str, Any] = {}
    with open_session(settings) as session:
        chosen, opener = choose(session, services), cloud_opener(session)
        for environment, service, document in documents_of(session, chosen, edits(**changes), opener):
            key = f"{environment}/{service.name}"
            done[key] = register_one(opener(environment).ecs, document)
            for note in done[key].notes:
                say(f"note: {key}: {note}")
    if as_json:
        members = {key: {"task_definition": one.revision.arn, "registered": one.is_new} for key, one in done.items()}
        print_json({"services": members})
        return
    for key, one in done.items():
        print_product(f"{key} {one.revision.arn} {'registered' if one.is_new else 'unchanged'}")


@command.command("verify")
@services_argument
@json_option
@edit_options
@click.pass_obj
def verify(settings: Settings, /, services: tuple[str, ...], as_json: bool, **changes: tuple[str, ...]) -> int:
    """Check that everything a deployment needs is there: cluster, service, roles, secrets, log groups, images.

    Nothing is changed. Exits with 1 when something is missing or wrong.
    """
    from pipeline_kit.app.deploy_verify import verify_definitions, verify_place
    from pipeline_kit.ports.ecs import State

    checks = []
    with open_session(settings) as session:
        chosen, opener = choose(session, services), cloud_opener(session)
        documents = documents_of(session, chosen, edits(**changes), opener)
        for environment in dict.fromkeys(environment for environment, _ in chosen):
            cloud, cluster = opener(environment), session.project.config.ecs[environment].cluster
            checks += verify_place(cloud, cluster, [service for name, service in chosen if name == environment])[0]
            wanted = [document for name, _, document in documents if name == environment]
            checks += verify_definitions(cloud, session.registry, wanted)
    if as_json:
        members = ("what", "state", "detail", "hint")
        print_json({"checks": [{name: str(getattr(check, name)) for name in members} for check in checks]})
    else:
        print_product("\n".join(map(_check_line, checks)))
    bad = [check for check in checks if check.state in (State.MISSING, State.WRONG)]
    for check in bad:
        if check.hint and settings.verbosity >= 0:
            say(f"{check.what}: {check.hint}")
    return 1 if bad else 0


def _check_line(check: Check) -> str:
    return f"{check.state.value:<11} {check.what}{f': {check.detail}' if check.detail else ''}"
