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
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

_OWNER_RUNS = 0o100
_WHITEOUT, _OPAQUE = b".wh.", b".wh..wh..opq"
_TIMES = frozenset({"created"})
_NO_PRODUCT = frozenset({"created", "rootfs", "history"})
"""Members of an image's configuration that are compared on their own, or tell a time."""

Layer = tuple[tuple[bytes, str], ...]
GONE = "gone"


@dataclass(frozen=True, slots=True)
class Product:
    """An image: what each of its ``layers`` changes, its configuration, and the commands in its history.

    A layer's entries are in byte order, each with its kind, executable or not, SHA-256 or link text, or :data:`GONE`.
    What was there before, and differs in its time or owner alone, is no change: by times BuildKit decides whether to
    put it in once more. A build that fails gives ``failure`` and nothing else; two failures are the same product,
    whatever they say.
    """

    layers: tuple[Layer, ...] = ()
    config: str = ""
    history: tuple[str, ...] = ()
    failure: str = field(default="", compare=False)
    failed: bool = False

    def files(self) -> dict[bytes, str]:
        """Return the root file system that the layers give, one upon the other."""
        found: dict[bytes, str] = {}
        for layer in self.layers:
            found.update(layer)
        return {path: entry for path, entry in found.items() if entry != GONE}

    def runs_like(self, other: Product) -> bool:
        """Return whether containers of both see the same: root file system and configuration, however layered."""
        if self.failed or other.failed:
            return self.failed == other.failed
        return self.config == other.config and (self.layers == other.layers or self.files() == other.files())


def read_product(archive: Path) -> Product:
    """Read an OCI archive. Raises KeyError, ValueError or tarfile.TarError for one that was not finished."""
    with tarfile.open(archive) as tar:
        index = json.loads(_member(tar, "index.json"))
        manifest = json.loads(_blob(tar, index["manifests"][0]["digest"]))
        config = json.loads(_blob(tar, manifest["config"]["digest"]))
        layers = [_layer(layer["digest"], _Blob(_blob(tar, layer["digest"]))) for layer in manifest["layers"]]
    history = tuple(_text(step, _TIMES) for step in config.get("history", ()))
    return Product(tuple(_changes(layers)), _text(config, _NO_PRODUCT), history)


def _changes(layers: Iterable[Layer]) -> Iterator[Layer]:
    """Yield what each of ``layers`` makes of the files that those before it left."""
    before: dict[bytes, str] = {}
    for layer in layers:
        after = dict(before)
        _apply(after, layer)
        gone = dict.fromkeys(before.keys() - after.keys(), GONE)
        changed = {path: entry for path, entry in after.items() if before.get(path) != entry}
        yield tuple(sorted({**gone, **changed}.items()))
        before = after


def _text(members: Mapping[str, object], left_out: Iterable[str]) -> str:
    return json.dumps({name: value for name, value in members.items() if name not in left_out}, sort_keys=True)


def differences(one: Product, two: Product) -> list[str]:
    """Return how two products differ, one line a path or a member."""
    if one.failed or two.failed:
        return [f"failed: {one.failure or 'no'} / {two.failure or 'no'}"] if one != two else []
    found = [] if one.config == two.config else [f"config: {one.config} / {two.config}"]
    found += [] if one.history == two.history else [f"history: {one.history} / {two.history}"]
    found += _differing("", one.files(), two.files())
    if len(one.layers) != len(two.layers):
        return [*found, f"{len(one.layers)} / {len(two.layers)} layers"]
    for number, (here, there) in enumerate(zip(one.layers, two.layers, strict=True)):
        found += _differing(f"layer {number}: ", dict(here), dict(there))
    return found


def _differing(where: str, here: Mapping[bytes, str], there: Mapping[bytes, str]) -> list[str]:
    return [
        f"{where}{path!r}: {here.get(path)} / {there.get(path)}"
        for path in sorted(here.keys() | there.keys())
        if here.get(path) != there.get(path)
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


@lru_cache(maxsize=64)
def _layer(digest: str, blob: _Blob) -> Layer:
    """Return the entries of one layer, in byte order; the base images' recur in many products."""
    found: dict[bytes, str] = {}
    assert digest.endswith(hashlib.sha256(blob.data).hexdigest())
    with tarfile.open(fileobj=io.BytesIO(blob.data), encoding="utf-8", errors="surrogateescape") as tar:
        for member in tar:
            path = _path(member.name)
            if path:
                found[path] = found[_path(member.linkname)] if member.islnk() else _entry(tar, member)
    return tuple(sorted(found.items()))


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


def _apply(files: dict[bytes, str], layer: Layer) -> None:
    for path, _ in layer:
        above, _, name = path.rpartition(b"/")
        if name == _OPAQUE:
            _remove_below(files, above)
        elif name.startswith(_WHITEOUT):
            hidden = (above + b"/" if above else b"") + name[len(_WHITEOUT) :]
            files.pop(hidden, None)
            _remove_below(files, hidden)
    for path, entry in layer:
        if path.rpartition(b"/")[2].startswith(_WHITEOUT):
            continue
        if entry != "directory" and files.get(path) == "directory":
            _remove_below(files, path)
        files[path] = entry


def _remove_below(files: dict[bytes, str], directory: bytes) -> None:
    start = directory + b"/" if directory else b""
    for path in [path for path in files if path.startswith(start)]:
        del files[path]
