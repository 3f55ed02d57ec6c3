"""Write the generated files below docs/: the command reference and two JSON schemas. tests/test_docs.py compares."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline_kit.cli.main import main as command_line
from pipeline_kit.config.schema import schema
from pipeline_kit.outputs.json_report import report_schema

if TYPE_CHECKING:
    from collections.abc import Iterator

DOCS = Path(__file__).resolve().parent.parent / "docs"
_WIDTH = 100
_HEAD = """# Commands

Written by `make docs` from the program's own `--help`.

`python -m pipeline_kit` is the same program. Exit codes are in [exit-codes.md](exit-codes.md). Every option can also be
given as the environment variable named below its command; on the command line it counts more.
"""


def commands(group: click.Command = command_line) -> Iterator[tuple[str, click.Command, click.Context]]:
    """Yield every command with its full name and a context to render it in: the group first, then the others."""
    settings = {**group.context_settings, "terminal_width": _WIDTH, "max_content_width": _WIDTH}
    context = click.Context(group, info_name="pipeline-kit", **settings)
    yield from _walk("pipeline-kit", group, context)


def _walk(
    name: str, command: click.Command, context: click.Context
) -> Iterator[tuple[str, click.Command, click.Context]]:
    yield name, command, context
    if isinstance(command, click.Group):
        for child in command.list_commands(context):
            found = command.get_command(context, child)
            if found is not None and not found.hidden:
                below = click.Context(found, parent=context, info_name=child, terminal_width=_WIDTH)
                yield from _walk(f"{name} {child}", found, below)


def variables(command: click.Command, context: click.Context) -> dict[str, str]:
    """Return environment variable -> option, as written on the command line, of one command."""
    found: dict[str, str] = {}
    for parameter in command.get_params(context):
        if isinstance(parameter, click.Option) and parameter.expose_value and context.auto_envvar_prefix:
            written = max(parameter.opts, key=len)
            found[f"{context.auto_envvar_prefix}_{str(parameter.name).upper()}"] = written
    return found


def commands_text() -> str:
    """Return docs/commands.md."""
    parts = [_HEAD]
    for name, command, context in commands():
        text = re.sub(r"[ \t]+$", "", command.get_help(context), flags=re.MULTILINE)
        parts.append(f"## {name}\n\n```text\n{text}\n```\n")
        names = ", ".join(f"`{variable}` ({option})" for variable, option in variables(command, context).items())
        parts += [f"Environment: {names}.\n"] if names else []
    return "\n".join(parts)


def generated() -> dict[str, str]:
    """Return the generated files' texts by name below docs/."""
    return {
        "commands.md": commands_text(),
        "config.schema.json": json.dumps(schema(), indent=2) + "\n",
        "report.schema.json": json.dumps(report_schema(), indent=2) + "\n",
    }


def main() -> None:
    """Write what is out of date, and say so."""
    for name, text in generated().items():
        path = DOCS / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            print(f"wrote docs/{name}")


if __name__ == "__main__":
    main()
