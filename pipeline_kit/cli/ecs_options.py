"""What the ``ecs`` commands share: which services, what changes in their containers, the session's AWS side."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any

import click

from pipeline_kit.cli.options import option

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pipeline_kit.app.clouds import Cloud
    from pipeline_kit.app.session import Session
    from pipeline_kit.config import EcsService
    from pipeline_kit.task_definition import ContainerEdit

_SETTING = re.compile(r"(?P<container>[A-Za-z0-9_-]{1,255}):(?P<name>[^=]+)(?:=(?P<value>.*))?", re.DOTALL)
_COMMAND = re.compile(r"(?P<container>[A-Za-z0-9_-]{1,255}):(?P<words>.*)", re.DOTALL)

services_argument = click.argument("services", nargs=-1, metavar="[SERVICE]...")


def edit_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that change containers, on top of what the configuration changes."""
    for flag, parameter, metavar, text in (
        ("--log-option", "log_options", "C:NAME=VALUE", "Set an option of container C's log driver."),
        ("--label", "labels", "C:NAME=VALUE", "Set a Docker label of container C."),
        ("--command", "commands", "C:WORDS", "Replace container C's command; split as a shell does."),
        ("--secret", "secrets", "C:NAME=ARN", "Give container C a secret or parameter as a variable."),
        ("--env", "variables", "C:NAME=VALUE", "Set a variable of container C; C:NAME alone removes it."),
    ):
        command = option(flag, parameter, multiple=True, metavar=metavar, help=text)(command)
    return command


def edits(
    variables: Sequence[str],
    secrets: Sequence[str],
    commands: Sequence[str],
    labels: Sequence[str],
    log_options: Sequence[str],
) -> dict[str, ContainerEdit]:
    """Return the changes by container. Raises InputError."""
    from pipeline_kit.errors import InputError
    from pipeline_kit.task_definition import ContainerEdit, split_command

    maps: dict[str, dict[str, Any]] = {}
    for member, flag, values in (
        ("environment", "--env", variables),
        ("secrets", "--secret", secrets),
        ("labels", "--label", labels),
        ("log_options", "--log-option", log_options),
    ):
        for text in values:
            found = _SETTING.fullmatch(text)
            if found is None:
                raise InputError(f"{flag} {text!r} is not CONTAINER:NAME=VALUE")
            maps.setdefault(found["container"], {}).setdefault(member, {})[found["name"]] = found["value"]
    words: dict[str, tuple[str, ...]] = {}
    for text in commands:
        found = _COMMAND.fullmatch(text)
        if found is None:
            raise InputError(f"--command {text!r} is not CONTAINER:WORDS")
        try:
            words[found["container"]] = split_command(found["words"])
        except ValueError as error:
            raise InputError(f"--command {text!r}: {error}", hint="close the quote") from error
    names = dict.fromkeys([*maps, *words])
    return {name: ContainerEdit(command=words.get(name), **maps.get(name, {})) for name in names}


def choose(session: Session, names: Sequence[str]) -> list[tuple[str, EcsService]]:
    """Return the services asked for, all when none is named. Raises InputError."""
    from pipeline_kit.app import task_definitions
    from pipeline_kit.errors import InputError

    chosen = task_definitions.services(session.project, names)
    if not chosen:
        raise InputError("there is no service: deploy.ecs is empty", hint="write deploy.ecs in the configuration")
    return chosen


def cloud_opener(session: Session) -> Callable[[str], Cloud]:
    """Return what gives the AWS side of an environment, made once each."""
    from pipeline_kit.app.clouds import open_cloud

    config = session.project.config
    known: dict[str, Cloud] = {}

    def of(environment: str) -> Cloud:
        if environment not in known:
            known[environment] = open_cloud(config.ecs[environment], config.registry, os.environ)
        return known[environment]

    return of


def documents_of(
    session: Session,
    chosen: Sequence[tuple[str, EcsService]],
    further: Mapping[str, ContainerEdit],
    opener: Callable[[str], Cloud],
) -> list[tuple[str, EcsService, Mapping[str, Any]]]:
    """Return environment, service and rendered document of each service; the registry has to hold every image."""
    from pipeline_kit.app import task_definitions
    from pipeline_kit.app.deploy_images import pinned_images

    task_definitions.check(session.project, chosen)
    pinned = pinned_images(session, chosen)
    rendered = task_definitions.render_services(
        session.project, chosen, pinned, ecs_of=lambda environment: opener(environment).ecs, further=further
    )
    return [
        (environment, service, item.document(opener(environment).ecs.shapes()))
        for item, (environment, service) in zip(rendered, chosen, strict=True)
    ]
