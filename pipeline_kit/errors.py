"""Every failure pipeline-kit can report, in one tree.

A class knows three things: the exit code of the process (design D2), whether trying again later can help
(``temporary``), and, through ``hint``, what the user should do next. Adapters translate foreign exceptions into
these classes; ``cli`` catches :class:`PipelineKitError` in one place and prints it.

    PipelineKitError                  1
    ├── WorkFailed                    1   the work itself failed
    │   ├── BuildFailed               1
    │   ├── PushFailed                1
    │   ├── ScanGateFailed            1
    │   ├── DeploymentFailed          1   a service does not run what was asked for
    │   │   ├── RolledBack            1   it went back to what it ran before
    │   │   └── NotSteady             1   time ran out; the deployment goes on
    │   ├── TaskFailed                1   a one-off task failed, or never ran
    │   ├── AwsRefused                1   an AWS API answered no, for a reason other than permission
    │   └── OutputFailed              1   an output file could not be written
    │       └── ReaderGone          141   nobody reads stdout any more (128 plus SIGPIPE's number)
    ├── InputError                    2   what the user wrote is wrong
    │   ├── ConfigError               2   pipeline-kit.yaml, with every problem at once
    │   ├── InvalidReference          2   an image reference outside the grammar
    │   ├── DockerfileError           2
    │   ├── DockerignoreError         2
    │   └── TaskDefinitionError       2
    ├── RegistryRefused               3   the registry said no
    │   ├── AuthenticationFailed      3
    │   ├── AuthorizationDenied       3
    │   ├── RepositoryMissing         3
    │   └── ManifestMissing           3   a manifest that has to be there is not
    ├── Unreachable                   4   the verdict is unknown
    │   ├── RegistryUnreachable       4   temporary
    │   ├── EngineUnreachable         4
    │   └── AwsUnreachable            4
    ├── CheckoutError                 5   the checkout cannot be trusted
    │   ├── GitUnavailable            5
    │   ├── DubiousOwnership          5
    │   ├── UnreadableFile            5
    │   └── ContextChanged            5
    └── Conflict                      6   other content is already there
        ├── TagConflict               6
        ├── PlanStale                 6
        └── DigestMismatch            6   bytes that do not hash to their digest

    Interrupted                     130   SIGINT; 143 for SIGTERM; outside the tree, like KeyboardInterrupt
"""

from __future__ import annotations

from typing import ClassVar

from pipeline_kit.values import value_class


class PipelineKitError(Exception):
    """Base of every error the tool reports.

    ``message`` is one sentence for people; ``hint`` is the next step, or ``None`` where the message already says it.
    """

    exit_code: ClassVar[int] = 1
    temporary: ClassVar[bool] = False

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class WorkFailed(PipelineKitError):
    """The plan was right and carrying it out failed."""


class BuildFailed(WorkFailed):
    """BuildKit or the engine could not build an image."""


class PushFailed(WorkFailed):
    """An image was built and could not be stored in the registry."""


class ScanGateFailed(WorkFailed):
    """A vulnerability scan found more than the gate allows, or could not be read."""


class DeploymentFailed(WorkFailed):
    """A service does not run the revision that was asked for; a rollback that succeeded is a failure too."""


class RolledBack(DeploymentFailed):
    """The service went back to what it ran before: by its circuit breaker, an alarm, a hook or a person."""


class NotSteady(DeploymentFailed):
    """The service was not steady in time. Its deployment goes on."""


class TaskFailed(WorkFailed):
    """A one-off task ended with an exit code other than 0, or a container of it never ran."""


class AwsRefused(WorkFailed):
    """An AWS API answered no, not for lack of permission; ``code`` is AWS's own (``ClusterNotFoundException``)."""

    def __init__(self, message: str, *, hint: str | None = None, code: str = "") -> None:
        super().__init__(message, hint=hint)
        self.code = code


class OutputFailed(WorkFailed):
    """The work is done and an output (report, CI outputs, summary) could not be written."""


class ReaderGone(OutputFailed):
    """Whoever read stdout has closed it; a shell pipeline such as ``| head`` does so, and wants no message."""

    exit_code: ClassVar[int] = 141


class InputError(PipelineKitError):
    """Usage, configuration or a file of the user's is wrong; nothing was done."""

    exit_code: ClassVar[int] = 2


@value_class(order=True)
class Problem:
    """One finding in a file: 1-based ``line`` and ``column``, the ``key`` it concerns, and a ``suggestion``."""

    file: str
    line: int
    column: int
    message: str
    key: str = ""
    suggestion: str = ""

    def __str__(self) -> str:
        """Return ``file:line:column: message (suggestion)``, the form editors jump to."""
        tail = f" ({self.suggestion})" if self.suggestion else ""
        return f"{self.file}:{self.line}:{self.column}: {self.message}{tail}"


class ConfigError(InputError):
    """Everything that is wrong with a configuration, in one report sorted by position."""

    def __init__(self, problems: list[Problem], *, hint: str | None = None) -> None:
        self.problems = sorted(problems)
        count = len(self.problems)
        head = f"{count} problem{'s' if count != 1 else ''} in the configuration"
        super().__init__("\n".join([head, *(f"  {problem}" for problem in self.problems)]), hint=hint)


class InvalidReference(InputError):
    """An image reference outside the grammar of the distribution specification."""


class DockerfileError(InputError):
    """A Dockerfile is missing or cannot be read as BuildKit would."""


class DockerignoreError(InputError):
    """A ``.dockerignore`` holds a pattern that BuildKit refuses."""


class TaskDefinitionError(InputError):
    """A task definition file is wrong, or lacks a container that the configuration names."""


class RegistryRefused(PipelineKitError):
    """The registry answered and the answer is no; asking again gives the same."""

    exit_code: ClassVar[int] = 3


class AuthenticationFailed(RegistryRefused):
    """Credentials are missing, wrong or expired (401)."""


class AuthorizationDenied(RegistryRefused):
    """The credentials are known and not allowed to do this (403)."""


class RepositoryMissing(RegistryRefused):
    """The repository itself does not exist (NAME_UNKNOWN on registries that do not create on push)."""


class ManifestMissing(RegistryRefused):
    """A manifest or blob that the run needs is not in the registry (a spec-true 404)."""


class Unreachable(PipelineKitError):
    """No answer that can be trusted, so the verdict is unknown."""

    exit_code: ClassVar[int] = 4


class RegistryUnreachable(Unreachable):
    """The registry could not be reached, or still failed after every retry."""

    temporary: ClassVar[bool] = True


class EngineUnreachable(Unreachable):
    """No Docker Engine or builder answers."""


class AwsUnreachable(Unreachable):
    """An AWS API could not be reached, or still failed after its own retries."""

    temporary: ClassVar[bool] = True


class CheckoutError(PipelineKitError):
    """The checkout is not what it seems, so no tag computed from it could be trusted (design D4)."""

    exit_code: ClassVar[int] = 5


class GitUnavailable(CheckoutError):
    """No usable git binary."""


class DubiousOwnership(CheckoutError):
    """Git refuses the checkout because it belongs to another user."""


class UnreadableFile(CheckoutError):
    """A file that BuildKit would send cannot be read."""


class ContextChanged(CheckoutError):
    """Files changed between computing the tag and the end of the build."""


class Conflict(PipelineKitError):
    """Other content is already there; overwriting it would break a promise."""

    exit_code: ClassVar[int] = 6


class TagConflict(Conflict):
    """A content tag holds another image, or a newer alias is already there."""


class PlanStale(Conflict):
    """A saved plan no longer matches the tree, the base digests or the registry."""


class DigestMismatch(Conflict):
    """The registry's bytes, or its word about them, do not match the digest they go by."""


class Interrupted(BaseException):
    """A signal ended the run; ``exit_code`` is 128 plus the signal's number.

    No :class:`Exception`, like KeyboardInterrupt: code that turns failures into outcomes must not take it for one, or
    the run would go on.
    """

    def __init__(self, signal_number: int) -> None:
        self.message = f"interrupted by signal {signal_number}"
        self.hint = "run the same command again: it continues"
        super().__init__(self.message)
        self.signal_number = signal_number

    @property
    def exit_code(self) -> int:
        """Return the process's exit code."""
        return 128 + self.signal_number
