"""What a build produced, in a form that two builds can be compared by: no times, no owners, modes as git knows them."""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_OWNER_RUNS = 0o100
_WHITEOUT, _OPAQUE = b".wh.", b".wh..wh..opq"


@dataclass(frozen=True, slots=True)
class Product:
    """Files by path, each as text (kind, executable or not, SHA-256 or link text), and the image's configuration.

    A build that fails gives ``failure`` and nothing else; two failures are the same product, whatever they say.
    """

    files: dict[bytes, str] = field(default_factory=dict)
    config: str = ""
    failure: str = field(default="", compare=False)
    failed: bool = False


def read_product(archive: Path) -> Product:
    """Read an OCI archive. Raises KeyError, ValueError or tarfile.TarError for one that was not finished."""
    with tarfile.open(archive) as tar:
        index = json.loads(_member(tar, "index.json"))
        manifest = json.loads(_blob(tar, index["manifests"][0]["digest"]))
        config = json.loads(_blob(tar, manifest["config"]["digest"]))
        files: dict[bytes, str] = {}
        for layer in manifest["layers"]:
            _apply(files, _layer(layer["digest"], _Blob(_blob(tar, layer["digest"]))))
    counted = {name: config.get(name) for name in ("config", "os", "architecture", "variant")}
    return Product(files, json.dumps(counted, sort_keys=True))


def differences(one: Product, two: Product) -> list[str]:
    """Return how two products differ, one line a path."""
    if one.failed or two.failed:
        return [f"failed: {one.failure or 'no'} / {two.failure or 'no'}"] if one != two else []
    found = [] if one.config == two.config else [f"config: {one.config} / {two.config}"]
    return found + [
        f"{path!r}: {one.files.get(path)} / {two.files.get(path)}"
        for path in sorted(one.files.keys() | two.files.keys())
        if one.files.get(path) != two.files.get(path)
    ]


def _member(tar: tarfile.TarFile, name: str) -> bytes:
    stream = tar.extractfile(name)
    if stream is None:
        raise ValueError(f"{name} is no file")
    return stream.read()


def _blob(tar: tarfile.TarFile, digest: str) -> bytes:
    return _member(tar, f"blobs/sha256/{digest.removeprefix('sha256:')}")


@dataclass(frozen=True, slots=True)
class _Blob:
    """A layer's bytes, which its digest stands for: equal to any other, so that only the digest is a cache's key."""

    data: bytes

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Blob)

    def __hash__(self) -> int:
        return 0


@lru_cache(maxsize=16)
def _layer(digest: str, blob: _Blob) -> tuple[tuple[bytes, str], ...]:
    """Return the entries of one layer; the base images' recur in many products."""
    found: dict[bytes, str] = {}
    assert digest.endswith(hashlib.sha256(blob.data).hexdigest())
    with tarfile.open(fileobj=io.BytesIO(blob.data), encoding="utf-8", errors="surrogateescape") as tar:
        for member in tar:
            path = _path(member.name)
            if path:
                found[path] = found[_path(member.linkname)] if member.islnk() else _entry(tar, member)
    return tuple(found.items())


def _path(name: str) -> bytes:
    return os.fsencode(name).removeprefix(b"./").strip(b"/")


def _entry(tar: tarfile.TarFile, member: tarfile.TarInfo) -> str:
    if member.issym():
        return f"link {member.linkname!r}"
    if member.isdir():
        return "directory"
    stream: Any = tar.extractfile(member) if member.isfile() else None
    if stream is None:
        return f"special {member.type!r}"
    return f"file {'x' if member.mode & _OWNER_RUNS else '-'} {hashlib.sha256(stream.read()).hexdigest()}"


def _apply(files: dict[bytes, str], layer: Iterable[tuple[bytes, str]]) -> None:
    entries = list(layer)
    for path, _ in entries:
        above, _, name = path.rpartition(b"/")
        if name == _OPAQUE:
            _remove_below(files, above)
        elif name.startswith(_WHITEOUT):
            hidden = (above + b"/" if above else b"") + name[len(_WHITEOUT) :]
            files.pop(hidden, None)
            _remove_below(files, hidden)
    for path, entry in entries:
        if path.rpartition(b"/")[2].startswith(_WHITEOUT):
            continue
        if entry != "directory" and files.get(path) == "directory":
            _remove_below(files, path)
        files[path] = entry


def _remove_below(files: dict[bytes, str], directory: bytes) -> None:
    start = directory + b"/" if directory else b""
    for path in [path for path in files if path.startswith(start)]:
        del files[path]
