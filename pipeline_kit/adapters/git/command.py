"""The only place that runs the git binary.

The repository is untrusted (design D12): its configuration may name programs (fsmonitor, hooks, filters, pagers,
transports), and a directory in it may pretend to be a bare repository. So git runs in the verified top level, as
plumbing, with an environment made here:

- every ``GIT_*`` variable of ours is dropped, since hooks and CI set ``GIT_DIR``, ``GIT_INDEX_FILE`` and others, except
  ``GIT_CONFIG_GLOBAL`` (the user's own file) and the ``safe.directory`` entries of ``GIT_CONFIG_COUNT``;
- settings that run programs, or that make git trust less than its full stat data, are overridden by command-scope
  configuration, which wins over the repository's;
- no transport is allowed, so a partial clone cannot fetch a missing object;
- path arguments are literal, and nothing takes a lock.

The system configuration is not read (``GIT_CONFIG_NOSYSTEM``). Its ``safe.directory`` entries, which CI images set, are
asked for only when git refuses the checkout's owner, and passed on as they are: they are the administrator's decision.
"""

# ruff: noqa: PTH120 - environment variables are text
from __future__ import annotations

import os
from typing import TYPE_CHECKING

from pipeline_kit.adapters.process import Answer, Process, start
from pipeline_kit.adapters.programs import find_program
from pipeline_kit.errors import CheckoutError, DubiousOwnership, GitUnavailable
from pipeline_kit.named_tuple import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path
    from types import TracebackType
    from typing import Self

OLDEST_GIT = (2, 35)
_HARDENED = (
    ("safe.bareRepository", "explicit"),
    ("core.fsmonitor", "false"),
    ("core.hooksPath", os.devnull),
    ("core.pager", "cat"),
    ("core.fileMode", "true"),
    ("core.symlinks", "true"),
    ("core.trustctime", "true"),
    ("core.checkStat", "default"),
    ("core.ignoreStat", "false"),
    ("core.preloadIndex", "true"),
    ("core.quotePath", "false"),
    ("protocol.allow", "never"),
    ("protocol.ext.allow", "never"),
)
_FIXED = {
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_LITERAL_PATHSPECS": "1",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_ALLOW_PROTOCOL": "none",
    "LC_ALL": "C",
    "LANGUAGE": "C",
}


def inherited_safe_directories(environment: Mapping[str, str]) -> tuple[str, ...]:
    """Return the ``safe.directory`` values that the caller passed through ``GIT_CONFIG_COUNT``."""
    count = environment.get("GIT_CONFIG_COUNT", "")
    numbers = range(int(count)) if count.isascii() and count.isdigit() and len(count) < len("10000") else range(0)
    return tuple(
        environment.get(f"GIT_CONFIG_VALUE_{number}", "")
        for number in numbers
        if environment.get(f"GIT_CONFIG_KEY_{number}", "").lower() == "safe.directory"
    )


def hardened_environment(
    environment: Mapping[str, str],
    *,
    toplevel: str,
    config: Sequence[tuple[str, str]] = (),
    read_system: bool = False,
) -> dict[str, str]:
    """Return the environment for a git process in ``toplevel``, made from the caller's ``environment``.

    ``config`` holds further ``(key, value)`` pairs; ``read_system`` lets git read the system configuration, which is
    right only for commands that do nothing but print configuration.
    """
    kept = {name: value for name, value in environment.items() if not name.startswith("GIT_")}
    if "GIT_CONFIG_GLOBAL" in environment:
        kept["GIT_CONFIG_GLOBAL"] = environment["GIT_CONFIG_GLOBAL"]
    kept.update(_FIXED)
    kept["GIT_CEILING_DIRECTORIES"] = os.path.dirname(toplevel)
    if not read_system:
        kept["GIT_CONFIG_NOSYSTEM"] = "1"
    trusted = tuple(("safe.directory", path) for path in inherited_safe_directories(environment))
    pairs = (*trusted, *config, *_HARDENED)
    kept["GIT_CONFIG_COUNT"] = str(len(pairs))
    for number, (key, value) in enumerate(pairs):
        kept[f"GIT_CONFIG_KEY_{number}"] = key
        kept[f"GIT_CONFIG_VALUE_{number}"] = value
    return kept


def find_git(search_path: str) -> str:
    """Return the absolute path of git in ``search_path``; raises GitUnavailable."""
    found = find_program("git", search_path)
    if found is None:
        raise GitUnavailable("no git found in PATH", hint="install git 2.35 or later")
    return found


class Git(NamedTuple):
    """Runs git in ``toplevel``, the directory that holds ``.git``; ``config`` is added to the hardened settings."""

    toplevel: Path
    config: tuple[tuple[str, str], ...] = ()

    def with_config(self, *pairs: tuple[str, str]) -> Git:
        """Return a runner with further command-scope settings."""
        return self._replace(config=(*self.config, *pairs))

    def start(
        self,
        arguments: Sequence[str | bytes],
        stdin: bytes = b"",
        *,
        read_system: bool = False,
        is_patient: bool = False,
    ) -> Running:
        """Start ``git ARGUMENTS``, to be used as a context manager. Raises GitUnavailable."""
        where = str(self.toplevel)
        environment = hardened_environment(os.environ, toplevel=where, config=self.config, read_system=read_system)
        command = [find_git(os.environ.get("PATH", os.defpath)), *arguments]
        try:
            process = start(command, where=where, environment=environment, stdin=stdin, is_patient=is_patient)
        except OSError as error:
            raise GitUnavailable(f"cannot run git in {where}: {error.strerror}") from error
        return Running(self, arguments, process)

    def ask(self, arguments: Sequence[str | bytes], stdin: bytes = b"", *, read_system: bool = False) -> Answer:
        """Run ``git ARGUMENTS`` and return how it ended, whatever the status. Raises GitUnavailable."""
        with self.start(arguments, stdin, read_system=read_system) as running:
            return running.answer()

    def run(self, arguments: Sequence[str | bytes], stdin: bytes = b"") -> bytes:
        """Run ``git ARGUMENTS`` and return its stdout; raises CheckoutError (or a subclass) unless it exits with 0."""
        with self.start(arguments, stdin) as running:
            return running.result()

    def failure(self, arguments: Sequence[str | bytes], answer: Answer) -> CheckoutError:
        """Return what a failed command means, as one of our errors."""
        if "dubious ownership" in answer.stderr or "unsafe repository" in answer.stderr:
            from shlex import quote

            command = f"git config --global --add safe.directory {quote(str(self.toplevel))}"
            return DubiousOwnership(f"git refuses {self.toplevel}: it belongs to another user", hint=command)
        version = self.version()
        if version < OLDEST_GIT:
            return self.too_old(version)
        name = os.fsdecode(arguments[0])
        # The last line is git's own reason; those before it are often hints for other situations.
        reason = answer.stderr.splitlines()[-1] if answer.stderr else f"exit status {answer.status}"
        return CheckoutError(f"git {name} failed in {self.toplevel}: {reason}")

    def version(self) -> tuple[int, int]:
        """Return the first two numbers of git's version, ``(0, 0)`` if they cannot be read."""
        words = self.ask(["version"]).stdout.decode("ascii", "replace").split()
        numbers = words[2].split(".") if len(words) > len(("git", "version")) else []
        if len(numbers) < len(OLDEST_GIT) or not all(number.isdigit() for number in numbers[:2]):
            return (0, 0)
        return int(numbers[0]), int(numbers[1])

    def require_version(self) -> None:
        """Raise GitUnavailable for a git that would ignore the hardened settings."""
        version = self.version()
        if version < OLDEST_GIT:
            raise self.too_old(version)

    def too_old(self, version: tuple[int, int]) -> GitUnavailable:
        """Return the error for a git before 2.35."""
        found = ".".join(map(str, version))
        return GitUnavailable(f"git {found} is too old", hint="install git 2.35 or later")

    def system_safe_directories(self) -> tuple[tuple[str, str], ...]:
        """Return the ``safe.directory`` settings of the system configuration, for :meth:`with_config`."""
        outside = self._replace(toplevel=type(self.toplevel)("/"))
        answer = outside.ask(["config", "--system", "-z", "--get-all", "safe.directory"], read_system=True)
        values = answer.stdout.split(b"\0")[:-1] if answer.status == 0 else []
        return tuple(("safe.directory", os.fsdecode(value)) for value in values)


class Running(NamedTuple):
    """A git process; a context manager, so that no process outlives its caller's errors."""

    git: Git
    arguments: Sequence[str | bytes]
    process: Process

    def answer(self) -> Answer:
        """Wait and return how it ended."""
        return self.process.answer()

    def result(self) -> bytes:
        """Wait and return stdout; raises CheckoutError (or a subclass) unless it exited with 0."""
        answer = self.answer()
        if answer.status:
            raise self.git.failure(self.arguments, answer)
        return answer.stdout

    def close(self) -> None:
        """End it, if it still runs."""
        self.process.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
