r"""Where the bytes on disk may differ from the blob although git calls the file clean.

Git converts between blob and work tree: line ends (``text``, ``eol``, ``core.autocrlf``), ``ident``, filters such as
Git LFS, ``working-tree-encoding``. A tag must stand for the bytes on disk, so a blob id is used only where no
conversion can have happened:

- line ends and ident always change a file's size (``\r`` and ``: <id> `` only ever come or go), so a clean file as
  large as its blob was not converted;
- filters and encodings may keep the size by chance: every path that has one is hashed.

Both questions are asked only if some configuration or attributes file mentions the matter at all. The system
configuration is read here, unlike elsewhere, because ``core.autocrlf`` may be set there; reading it runs nothing.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from pipeline_kit.adapters.filesystem import read_inside
from pipeline_kit.adapters.git.repository import ATTRIBUTES_FILE
from pipeline_kit.adapters.hashing import regular_sizes
from pipeline_kit.errors import CheckoutError, UnreadableFile
from pipeline_kit.named_tuple import NamedTuple
from pipeline_kit.snapshot import LINK

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pipeline_kit.adapters.git.command import Git

_SYSTEM_ATTRIBUTES = (b"/etc/gitattributes", b"/usr/local/etc/gitattributes")
_BY_SIZE = (b"text", b"eol", b"crlf", b"ident")
_BY_BYTES = (b"filter", b"working-tree-encoding")
_UNCONVERTED = (b"unspecified", b"unset", b"")


class Mentions(NamedTuple):
    """Whether anything mentions conversions that change the size, and such that may not."""

    by_size: bool = False
    by_bytes: bool = False


class Settings(NamedTuple):
    """The configuration that matters here: ``autocrlf`` is on, the user's attributes file, names of filters."""

    autocrlf: bool = False
    attributes_file: str = ""
    filters: tuple[str, ...] = ()

    def applied(self, git: Git) -> Git:
        """Return ``git`` with every configured filter driver made to do nothing, and the same attributes file."""
        pairs: list[tuple[str, str]] = []
        if self.attributes_file:  # the system configuration may have set it
            pairs.append(("core.attributesFile", self.attributes_file))
        for name in self.filters:
            pairs += [(f"filter.{name}.{key}", "") for key in ("clean", "smudge", "process")]
            pairs.append((f"filter.{name}.required", "false"))
        return git.with_config(*pairs) if pairs else git


def read_settings(git: Git) -> Settings:
    """Return the settings of every scope, the system's included."""
    pattern = r"^(core\.(autocrlf|attributesfile)|filter\..*)$"
    arguments = ["config", "-z", "--get-regexp", pattern]
    answer = git.ask(arguments, read_system=True)
    if answer.status not in (0, 1):  # 1: nothing matches
        raise git.failure(arguments, answer)
    autocrlf, attributes_file, filters = False, "", set()
    for item in answer.stdout.split(b"\0")[:-1]:
        key, has_value, value = os.fsdecode(item).partition("\n")
        if key == "core.autocrlf":
            autocrlf = not has_value or value.lower() not in ("", "false", "no", "off", "0")
        elif key == "core.attributesfile":
            attributes_file = os.path.expanduser(value)  # noqa: PTH111 - text for git
        else:
            filters.add(key.removeprefix("filter.").rpartition(".")[0])
    return Settings(autocrlf, attributes_file, tuple(sorted(filters)))


def tracked_attributes(entries: bytes) -> list[bytes]:
    """Return the ``.gitattributes`` paths in an ``ls-files -s -z`` or ``ls-tree -r -z`` answer."""
    if ATTRIBUTES_FILE not in entries:  # a search of the whole is far cheaper than a split
        return []
    paths = [entry.partition(b"\t")[2] for entry in entries.split(b"\0") if entry.endswith(ATTRIBUTES_FILE)]
    return [path for path in paths if path == ATTRIBUTES_FILE or path.endswith(b"/" + ATTRIBUTES_FILE)]


def find_mentions(settings: Settings, tracked: Iterable[bytes], others: Iterable[bytes]) -> Mentions:
    """Return what the attributes files say; both lists are absolute paths.

    A file that cannot be read, or is ``tracked`` and not on disk, counts as mentioning everything.
    """
    texts = [_read(path) for path in tracked]
    outside = [*others, *_SYSTEM_ATTRIBUTES, _user_file(settings)]
    texts += [_read(path) for path in outside if os.path.lexists(path) and path != os.fsencode(os.devnull)]
    return Mentions(
        by_size=settings.autocrlf or _any_holds(texts, _BY_SIZE),
        by_bytes=_any_holds(texts, _BY_BYTES),
    )


def _any_holds(texts: Iterable[bytes | None], words: Sequence[bytes]) -> bool:
    return any(text is None or any(word in text for word in words) for text in texts)


def _user_file(settings: Settings) -> bytes:
    """Return the path of the user's attributes file (gitattributes(5), "core.attributesFile")."""
    if settings.attributes_file:
        return os.fsencode(settings.attributes_file)
    home = os.environ.get("XDG_CONFIG_HOME") or os.environ.get("HOME", "") + "/.config"
    return os.fsencode(home) + b"/git/attributes"


def _read(path: bytes) -> bytes | None:
    try:
        return read_inside(b"/", os.fsdecode(os.path.realpath(path)).lstrip("/"))
    except UnreadableFile:
        return None


def suspects(git: Git, base: bytes, prefix: bytes, clean: Mapping[bytes, bytes], mentions: Mentions) -> set[bytes]:
    """Return the paths among ``clean`` (path to record) whose bytes on disk may not be those of the blob."""
    files = {path: record for path, record in clean.items() if not record.startswith(LINK)}
    found = _with_driver(git, prefix, files) if mentions.by_bytes else set()
    if mentions.by_size:
        found |= _of_other_size(git, base, files)
    return found


def _with_driver(git: Git, prefix: bytes, paths: Iterable[bytes]) -> set[bytes]:
    stdin = b"".join([prefix + path + b"\0" for path in paths])
    fields = git.run(["check-attr", "-z", "--stdin", "filter", "working-tree-encoding"], stdin).split(b"\0")
    cut = len(prefix)
    values = zip(fields[0::3], fields[2::3], strict=False)
    return {path[cut:] for path, value in values if value not in _UNCONVERTED}


def _of_other_size(git: Git, base: bytes, files: Mapping[bytes, bytes]) -> set[bytes]:
    stdin = b"".join([record[7:] + b"\n" for record in files.values()])
    with git.start(["cat-file", "--batch-check=%(objectsize)", "--buffer"], stdin) as running:
        on_disk = list(regular_sizes(base, files))
        try:
            sizes = running.result().split(b"\n")[:-1]
        except CheckoutError:  # a partial clone that lacks a blob: then the files themselves must be read
            return set(files)
    triples = zip(files, sizes, on_disk, strict=True)
    return {path for path, size, actual in triples if size != b"%d" % actual}
