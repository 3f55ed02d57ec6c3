"""``pipeline-kit login``: credentials that the registry has accepted, kept where docker keeps them."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import click

from pipeline_kit.cli.options import option
from pipeline_kit.cli.shared import json_option, print_json, print_product

if TYPE_CHECKING:
    from pipeline_kit.adapters.registry.credentials import Credential
    from pipeline_kit.adapters.registry.retrying import Retry
    from pipeline_kit.app.login import LoggedIn
    from pipeline_kit.cli.main import Settings

_LONGEST = 64 * 1024


@click.command("login")
@click.argument("registries", nargs=-1, metavar="[REGISTRY]...")
@json_option
@option("--username", metavar="USER", help="User name; the password comes from --password-stdin or a prompt.")
@option("--password-stdin", is_flag=True, help="Read the password from standard input.")
@option("--token", "keep_token", is_flag=True, help="ECR: store the token (12 hours) instead of the helper's name.")
@option("--plain-http", is_flag=True, help="Speak http to the named registries; loopback needs no such word.")
@click.pass_obj
def command(
    settings: Settings,
    registries: tuple[str, ...],
    as_json: bool,
    username: str | None,
    password_stdin: bool,
    keep_token: bool,
    plain_http: bool,
) -> int:
    """Log in to registries, so that docker, buildx and pipeline-kit may push and pull.

    Without REGISTRY, to the configured one. Amazon ECR is logged in to with the AWS credentials at hand, others with
    --username and --password-stdin; without these, the stored login is tried. Nothing is stored that the registry does
    not accept, and no secret is printed.
    """
    from pipeline_kit.app.login import Login, clean_host
    from pipeline_kit.cli.messages import say, tell_error
    from pipeline_kit.errors import PipelineKitError

    _check_usage(registries, username, password_stdin=password_stdin)
    hosts = list(dict.fromkeys(clean_host(text) for text in registries))
    plain = tuple(hosts) if plain_http else ()
    if not hosts:
        hosts, plain = _configured(settings)
    given = _given(username, from_stdin=password_stdin) if username else None

    def on_retry(retry: Retry) -> None:
        if settings.verbosity > 0:
            say(str(retry))

    log_in = Login(os.environ, plain, keep_token, on_retry)
    done: list[LoggedIn] = []
    code = 0
    for host in hosts:
        try:
            done.append(log_in(host, given))
        except PipelineKitError as error:
            tell_error(error)
            code = max(code, error.exit_code)
    if as_json:
        print_json({"registries": {item.host: _document(item) for item in done}, "exit_code": code})
    else:
        for item in done:
            print_product(_line(item))
    return code


def _check_usage(registries: tuple[str, ...], username: str | None, *, password_stdin: bool) -> None:
    """Raise click.UsageError for what cannot be meant."""
    if password_stdin and not username:
        raise click.UsageError("--password-stdin goes with --username USER")
    if username and len(registries) != 1:
        # A checkout's configuration must not decide where a password goes.
        raise click.UsageError("--username goes with exactly one REGISTRY, named on the command line")


def _configured(settings: Settings) -> tuple[list[str], tuple[str, ...]]:
    from pipeline_kit.app.project import read_config

    config = read_config(settings.directory, settings.config, os.environ)
    return [config.registry.partition("/")[0]], tuple(config.plain_http)


def _given(username: str, *, from_stdin: bool) -> Credential:
    from pipeline_kit.adapters.registry.credentials import Credential

    if from_stdin:
        stream = sys.stdin.buffer if sys.stdin is not None else None
        data = stream.read(_LONGEST + 1) if stream is not None else b""
        if len(data) > _LONGEST:
            raise click.UsageError("the password on standard input is longer than 64 KiB")
        password = data.decode("utf-8", "surrogateescape").removesuffix("\n").removesuffix("\r")
    elif sys.stdin is not None and sys.stdin.isatty():
        password = click.prompt("Password", hide_input=True, err=True)
    else:
        raise click.UsageError("give the password with --password-stdin: there is no terminal to ask on")
    if not password or ":" in username or (not (username + password).isprintable() and not _is_multi_line(password)):
        raise click.UsageError("the password is empty, or it or the user name holds characters that cannot be sent")
    return Credential(username, password)


def _is_multi_line(password: str) -> bool:
    """Return whether a password is printable but for its line ends, as a service account's JSON key is."""
    return "".join(password.split()).isprintable()


def _line(item: LoggedIn) -> str:
    from pipeline_kit.outputs.sanitize import one_line

    who = f" as {item.username}" if item.username else ""
    proof = "" if item.proof == "accepted" else " (it answers everybody: the login was not tested)"
    how = "kept in" if item.is_new else "already in"
    return one_line(f"{item.host}: logged in{who}{proof}, {how} {item.kept}")


def _document(item: LoggedIn) -> dict[str, object]:
    return {
        "username": item.username,
        "proof": item.proof,
        "kept": item.kept,
        "holds_secret": item.holds_secret,
        "is_new": item.is_new,
    }
