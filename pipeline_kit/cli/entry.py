"""Where the process starts and ends: errors become one message and an exit code here, and nowhere else (design D2)."""

from __future__ import annotations

import atexit
import gc
import os
import sys
from typing import TYPE_CHECKING, NoReturn

from pipeline_kit import __version__

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline_kit.app.ahead import Beginning

_EPIPE_CODE = 141
_KEPT = 1 << 24
"""Bytes: what takes this much or less is kept when it is freed, and used again."""
_OBJECTS_BETWEEN_COLLECTIONS = 100_000
"""What is loaded and read lives until the end: to look through it again and again took 20 of 400 ms."""


def run() -> NoReturn:
    """Run the command in ``sys.argv`` and exit."""
    if sys.argv[1:] == ["--version"]:  # asked by scripts, often: answered before Click is loaded
        print(f"pipeline-kit {__version__}")  # noqa: T201 - this is the command line
        sys.exit(0)
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS)
    bytes(_KEPT)  # to free a large block makes glibc keep such blocks (mallopt(3)): else each page is fetched anew
    _insist_on_utf8()
    _replace_closed_streams()
    from pipeline_kit.app.outset import set_out

    outset = set_out(sys.argv[1:], os.environ)
    ahead = None  # kept to the end: to free what a large checkout listed takes a while
    if outset is not None:
        from pipeline_kit.app.ahead import Beginning

        ahead = Beginning(outset)
    _leave(_guarded(sys.argv[1:], ahead))


def _insist_on_utf8() -> None:
    """Start over in Python's UTF-8 mode where the locale encodes file names otherwise.

    Paths in a configuration are UTF-8, as git's are, so tags may not depend on the locale.
    """
    if sys.getfilesystemencoding() != "utf-8" and os.environ.get("PYTHONUTF8") != "1":
        os.environ["PYTHONUTF8"] = "1"
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606 - this very command again


def _replace_closed_streams() -> None:
    """Keep the numbers of streams that were closed at the start from going to a socket, and give stderr a null device.

    stdout stays ``None``: that its product goes nowhere is an error to be told.
    """
    if sys.stdout is None:
        os.open(os.devnull, os.O_WRONLY)
    if sys.stderr is None:
        sys.stderr = os.fdopen(os.open(os.devnull, os.O_WRONLY), "w", encoding="utf-8")


def _guarded(arguments: Sequence[str], ahead: Beginning | None) -> int:
    """Return the exit code of a command; every expected failure is told on stderr."""
    import click

    from pipeline_kit.cli.main import main
    from pipeline_kit.cli.messages import tell_error
    from pipeline_kit.errors import Interrupted, PipelineKitError, ReaderGone

    code: object = 0
    try:
        code = main.main(args=list(arguments), prog_name="pipeline-kit", standalone_mode=False, obj=ahead)
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except (click.Abort, KeyboardInterrupt):
        code = 130
    except ReaderGone as error:
        code = error.exit_code
    except (PipelineKitError, Interrupted) as error:
        tell_error(error)
        code = error.exit_code
    finally:
        if ahead is not None:
            ahead.close()
    return code if isinstance(code, int) else 0


def _leave(code: int) -> NoReturn:
    """Exit with ``code`` now: worker threads may still wait for a registry that nobody needs any more.

    The interpreter's own shutdown would take modules apart for 20 ms and, after a failed flush, complain and end with
    120. What was registered for the end is done, unless a signal ended the command.
    """
    if code <= 128:  # noqa: PLR2004 - more is a signal
        atexit._run_exitfuncs()  # noqa: SLF001 - the way to them without the rest of the shutdown
    for stream in filter(None, (sys.stdout, sys.stderr)):  # a stream that was closed at the start is None
        try:
            stream.flush()
        except BrokenPipeError:
            code = code or _EPIPE_CODE
        except (OSError, ValueError):
            code = code or 1
    os._exit(code)
