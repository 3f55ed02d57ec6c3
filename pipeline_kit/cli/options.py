"""Options whose environment variables are named like their flags."""

from __future__ import annotations

from functools import partial

import click


class FlagOption(click.Option):
    """An option that is also read from ``PIPELINE_KIT_[COMMAND_]FLAG``, whatever its Python parameter is called."""

    def resolve_envvar_value(self, ctx: click.Context) -> str | None:
        """Return the value of the option's environment variable, ``None`` where it is unset or empty."""
        found = super().resolve_envvar_value(ctx)
        if found is not None or not ctx.auto_envvar_prefix:
            return found
        import os

        flag = next((text for text in self.opts if text.startswith("--")), None)
        if flag is None:
            return None
        name = flag.removeprefix("--").replace("-", "_").upper()
        return os.environ.get(f"{ctx.auto_envvar_prefix}_{name}") or None


option = partial(click.option, cls=FlagOption)
