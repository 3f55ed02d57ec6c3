"""Instructions as values: what each says, and at which lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline_kit.values import value_class

if TYPE_CHECKING:
    from pipeline_kit.dockerfile.heredocs import Heredoc


@value_class()
class Instruction:
    """Base of all instructions: the 1-based ``line`` it starts at, and its upper-case ``keyword``."""

    line: int
    keyword: str


@value_class()
class From(Instruction):
    """``FROM [--platform=platform] base [AS name]``: all raw but ``name``, which is lower-case or ``""``."""

    base: str
    name: str
    platform: str


@value_class()
class Arg(Instruction):
    """``ARG name[=default] …``: pairs of a name and its raw default, or ``None`` without one."""

    pairs: tuple[tuple[str, str | None], ...]


@value_class()
class Env(Instruction):
    """``ENV`` or ``LABEL``: raw pairs of key and value."""

    pairs: tuple[tuple[str, str], ...]


@value_class()
class Copy(Instruction):
    """``COPY`` or ``ADD``. ``sources`` and ``destination`` are raw; ``origin`` is ``--from`` or ``""``."""

    sources: tuple[str, ...]
    heredocs: tuple[Heredoc, ...]
    destination: str
    origin: str = ""
    parents: bool = False
    excludes: tuple[str, ...] = ()
    chown: str = ""
    chmod: str = ""
    checksum: str = ""


@value_class()
class Run(Instruction):
    """``RUN``: the raw values of its ``--mount`` flags; the command itself only matters as bytes of the file."""

    mounts: tuple[str, ...]


@value_class()
class OnBuild(Instruction):
    """``ONBUILD expression``: the Dockerfile text that runs in a stage built upon this one."""

    expression: str


@value_class()
class Expanded(Instruction):
    """``WORKDIR``, ``USER``, ``VOLUME``, ``STOPSIGNAL``, ``EXPOSE``: raw ``words`` whose variables are expanded."""

    words: tuple[str, ...]


@value_class()
class Verbatim(Instruction):
    """``CMD``, ``ENTRYPOINT``, ``HEALTHCHECK``, ``SHELL``, ``MAINTAINER``: the builder expands nothing in them."""
