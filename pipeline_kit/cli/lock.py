"""``pipeline-kit lock``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pipeline_kit.cli.messages import say
from pipeline_kit.cli.options import option
from pipeline_kit.cli.shared import open_session

if TYPE_CHECKING:
    from pipeline_kit.cli.main import Settings


@click.command("lock")
@option("--check", is_flag=True, help="Write nothing; exit 10 when the file would change.")
@click.pass_obj
def command(settings: Settings, check: bool) -> int:
    """Resolve every base image and write its digest to pipeline-kit.lock, for bases: lock."""
    from pipeline_kit.app.lock import LOCK_NAME, format_lock, resolve_lock
    from pipeline_kit.outputs.files import write_atomically

    with open_session(settings) as session:
        data = format_lock(resolve_lock(session.project, session.around, session.registry))
        path = session.project.config_path.parent / LOCK_NAME
        if (path.read_bytes() if path.exists() else b"") == data:
            say(f"{LOCK_NAME} is up to date")
            return 0
        if check:
            say(f"{LOCK_NAME} is out of date: run pipeline-kit lock")
            return 10
        write_atomically(path, data)
        say(f"wrote {path}")
    return 0
