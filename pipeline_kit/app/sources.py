"""Phase two: what each image would be built from, read from a tree and filtered as BuildKit filters it."""

from __future__ import annotations

import os
import posixpath
from functools import partial
from typing import TYPE_CHECKING

from pipeline_kit.app.project import in_tree
from pipeline_kit.app.unsent import IgnoredByAll
from pipeline_kit.config import DirectoryContext, ImageContext, expand
from pipeline_kit.config.paths import join
from pipeline_kit.content_tag import EXTRA_INPUTS
from pipeline_kit.dockerfile import Dockerfile, Uses, parse, uses
from pipeline_kit.dockerfile.instructions import OnBuild
from pipeline_kit.dockerignore import IgnoreRules, Walk, ignore_file_candidates
from pipeline_kit.errors import DockerfileError, InputError
from pipeline_kit.named_tuple import NamedTuple
from pipeline_kit.narrowing import narrow
from pipeline_kit.snapshot import Listing
from pipeline_kit.values import field, replace, value_class

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from pipeline_kit.config import Config, ImageConfig
    from pipeline_kit.ports.checkout import Tree, Unsent

_MAX_LINKS = 40
GIT_DIRECTORY = b".git"


@value_class()
class ImageSources:
    """Everything read for one image."""

    image: ImageConfig
    dockerfile: bytes
    uses: Uses
    args: Mapping[str, str]
    """Build arguments with their placeholders replaced, volatile ones included."""
    files: Mapping[str, Listing]
    """As in :attr:`pipeline_kit.content_tag.KeyInputs.files`."""
    triggers: tuple[str, ...] = ()
    """The Dockerfile's ONBUILD expressions, which run in whatever is built upon this image."""
    ignore_bytes: bytes = b""
    """The ignore file that applies to the main context."""
    ignore_rules: Mapping[str, IgnoreRules] = field(default_factory=dict)
    """What applies to each directory context, named as in ``files``."""
    link_text: Callable[[str, bytes], bytes] = field(default=lambda _context, _path: b"", compare=False)
    """Returns the text of the link at a path of a context (named as in ``files``), ``b""`` when there is none."""

    @property
    def sends_git(self) -> bool:
        """Return whether the main context's ignore rules would let a ``.git`` through."""
        return not self.ignore_rules[""].excludes(GIT_DIRECTORY)


class _Ignore(NamedTuple):
    """An ignore file: its name (``""`` for none), bytes and rules."""

    name: str
    data: bytes
    rules: IgnoreRules
    walk: Walk


class _Read(NamedTuple):
    """A Dockerfile and what its build uses."""

    data: bytes
    dockerfile: Dockerfile
    args: dict[str, str]
    used: Uses


@value_class(frozen=False)
class Reader:
    """Reads images of one configuration from one tree; contexts that images share are listed and filtered once."""

    config: Config
    prefix: str
    tree: Tree
    values: Mapping[str, str]
    """Placeholder values of the run (``sha``, ``branch``, …)."""
    whole: Listing = field(default_factory=Listing)
    """What was listed by the last :meth:`read`: every context and input, unfiltered."""
    _filtered: dict[tuple[str, str], Listing] = field(default_factory=dict)
    _ignores: dict[tuple[str, str | None], _Ignore] = field(default_factory=dict)
    _rules: dict[bytes, IgnoreRules] = field(default_factory=dict)
    _dockerfiles: dict[str, tuple[bytes, Dockerfile]] = field(default_factory=dict)
    _parsed: dict[bytes, Dockerfile] = field(default_factory=dict)
    _uses: dict[tuple[object, ...], Uses] = field(default_factory=dict)
    """Many services have Dockerfiles of equal bytes: what those say is found out once."""

    def read(self, names: Iterable[str]) -> dict[str, ImageSources]:
        """Return the sources of the images ``names``, by name.

        Raises DockerfileError, DockerignoreError, InputError or a CheckoutError subclass.
        """
        names = tuple(names)
        images = [self.config.images[name] for name in names]
        read = {image.name: self._read_dockerfile(image) for image in images}  # first: git may be at work meanwhile
        directories, unsent = self.directories(names), self._unsent(images)
        presumed = self.tree.presumed(directories, unsent=unsent)
        if presumed is not None:
            self.whole = presumed
            for image in images:
                self._prepare(image, read[image.name])
        listed = self.tree.listing(directories, unsent=unsent)
        if listed is not presumed:
            self._filtered.clear()
        self.whole = listed
        return {image.name: self._sources(image, read[image.name]) for image in images}

    def directories(self, names: Iterable[str]) -> list[str]:
        """Return what is listed for the images ``names``: their contexts and inputs, outermost directories only."""
        return _outermost(self._directories(self.config.images[name] for name in names))

    def _unsent(self, images: Iterable[ImageConfig]) -> Unsent:
        walks: dict[bytes, list[Walk]] = {}
        inputs: set[bytes] = set()
        for image in images:
            contexts: list[tuple[str, str | None]] = [(image.context, image.dockerfile)]
            contexts += [(c.path, None) for c in image.contexts.values() if isinstance(c, DirectoryContext)]
            for context, dockerfile in contexts:
                place = self._path(context).encode("utf-8", "surrogateescape")
                known = walks.setdefault(b"" if place == b"." else place, [])
                walk = self._ignore(context, dockerfile).walk
                if walk not in known:
                    known.append(walk)
            inputs |= {self._path(path).encode("utf-8", "surrogateescape") for path in image.inputs}
        return IgnoredByAll(walks, inputs)

    def _directories(self, images: Iterable[ImageConfig]) -> set[str]:
        found: set[str] = set()
        for image in images:
            found.add(self._path(image.context))
            found.update(self._path(c.path) for c in image.contexts.values() if isinstance(c, DirectoryContext))
            found.update(posixpath.dirname(self._path(path)) or "." for path in image.inputs)
        return found

    def _path(self, path: str) -> str:
        return in_tree(self.prefix, path)

    def _read_dockerfile(self, image: ImageConfig) -> _Read:
        data, dockerfile = self._dockerfile(image)
        args = self._args(image)
        used = self._used(image, data, dockerfile, args)
        if used.unresolved:
            first = used.unresolved[0]
            raise DockerfileError(
                f"{image.dockerfile}:{first.line}: {first.text}: {first.why}",
                hint=f"correct that line, or give the value under images.{image.name}.args",
            )
        _refuse_used_volatile_args(image, dockerfile, args)
        return _Read(data, dockerfile, args, used)

    def _used(self, image: ImageConfig, data: bytes, dockerfile: Dockerfile, args: Mapping[str, str]) -> Uses:
        contexts = frozenset(image.contexts)
        place = (data, image.target, tuple(args.items()), image.platforms, contexts)
        if place not in self._uses:
            self._uses[place] = uses(
                dockerfile, target=image.target, args=args, platforms=image.platforms, contexts=contexts
            )
        return self._uses[place]

    def _prepare(self, image: ImageConfig, read: _Read) -> None:
        """Work out, while git still looks whether anything changed, what each context comes to if nothing did."""
        uses = read.used
        for name, listing in self._files(image).items():
            counting = listing if uses.reads is None else narrow(listing, uses.reads_of(name)).listing
            counting.digest()

    def _files(self, image: ImageConfig) -> dict[str, Listing]:
        """Return what is sent of each directory context, by its name; ``""`` is the main one."""
        named = {name: c for name, c in image.contexts.items() if isinstance(c, DirectoryContext)}
        contexts = {name: self._context(context.path, None) for name, context in named.items()}
        return {"": self._context(image.context, image.dockerfile), **contexts}

    def _sources(self, image: ImageConfig, read: _Read) -> ImageSources:
        files = self._files(image)
        rules = {"": self._ignore(image.context, image.dockerfile).rules}
        for name, context in image.contexts.items():
            if isinstance(context, DirectoryContext):
                rules[name] = self._ignore(context.path, None).rules
        if image.inputs:
            files[EXTRA_INPUTS] = self._inputs(image)
        ignore = self._ignore(image.context, image.dockerfile)
        return ImageSources(
            image,
            read.data,
            read.used,
            read.args,
            files,
            triggers=_triggers(read.dockerfile),
            ignore_bytes=ignore.data,
            ignore_rules=rules,
            link_text=partial(self._link_text, image),
        )

    def _dockerfile(self, image: ImageConfig) -> tuple[bytes, Dockerfile]:
        path = self._path(image.dockerfile)
        if path not in self._dockerfiles:
            directory, name = posixpath.split(path)
            data = self._read_within(directory or ".", name)
            if data is None:
                raise DockerfileError(
                    f"{image.dockerfile}: no such Dockerfile", hint=f"images.{image.name}.dockerfile names it"
                )
            known = self._parsed.get(data)
            parsed = parse(data, image.dockerfile) if known is None else replace(known, name=image.dockerfile)
            self._parsed[data] = parsed
            self._dockerfiles[path] = data, parsed
        return self._dockerfiles[path]

    def _link_text(self, image: ImageConfig, context: str, path: bytes) -> bytes:
        named = image.contexts.get(context)
        directory = self._path(named.path if isinstance(named, DirectoryContext) else image.context)
        found = self.tree.look(posixpath.join(directory, os.fsdecode(path)))
        return os.fsencode(found) if isinstance(found, str) else b""

    def _args(self, image: ImageConfig) -> dict[str, str]:
        found: dict[str, str] = {}
        for name, template in image.args.items():
            value = expand(template, self.values)
            if value is not None:
                found[name] = value
        return found

    def _ignore(self, context: str, dockerfile: str | None) -> _Ignore:
        """Return the ignore file that applies; named contexts have no Dockerfile."""
        place = (context, dockerfile)
        if place not in self._ignores:
            self._ignores[place] = self._find_ignore(context, dockerfile)
        return self._ignores[place]

    def _find_ignore(self, context: str, dockerfile: str | None) -> _Ignore:
        beside, inside = ignore_file_candidates(dockerfile or "")
        places = [posixpath.split(beside)] if dockerfile else []
        for directory, name in [*places, (context, inside)]:
            data = self._read_within(self._path(directory or "."), name)
            if data is not None:
                shown = join(directory, name)
                if data not in self._rules:
                    self._rules[data] = IgnoreRules.parse(data, shown)
                return _Ignore(shown, data, self._rules[data], self._rules[data].walk())
        return _Ignore("", b"", IgnoreRules.EMPTY, IgnoreRules.EMPTY.walk())

    def _context(self, context: str, dockerfile: str | None) -> Listing:
        ignore = self._ignore(context, dockerfile)
        place = (context, ignore.name)
        if place not in self._filtered:
            listing = self.whole.under(self._path(context).encode("utf-8", "surrogateescape"))
            self._filtered[place] = ignore.rules.filter(listing)
        return self._filtered[place]

    def _inputs(self, image: ImageConfig) -> Listing:
        entries: list[tuple[bytes, bytes]] = []
        for path in image.inputs:
            name = self._path(path).encode("utf-8", "surrogateescape")
            record = self.whole.get(name)
            below = self.whole.under(name)
            if record is None and not below.paths:
                raise InputError(f"images.{image.name}.inputs: {path} does not exist")
            # Named as in the configuration, so that the key is the same with and without the tree above it.
            own = path.encode("utf-8", "surrogateescape")
            entries += [(own, record)] if record is not None else []
            entries += [(own + b"/" + child, child_record) for child, child_record in below]
        return Listing.of(entries)

    def _read_within(self, directory: str, name: str) -> bytes | None:
        """Return a file's bytes, links followed as BuildKit follows them: as if ``directory`` were ``/``."""
        path = name
        for _ in range(_MAX_LINKS):
            found = self.tree.look(join(directory, path))
            if not isinstance(found, str):
                return found
            path = posixpath.normpath(posixpath.join("/", posixpath.dirname(path), found)).lstrip("/")
        return None


def _triggers(dockerfile: Dockerfile) -> tuple[str, ...]:
    steps = (step for stage in dockerfile.stages for step in stage.instructions)
    return tuple(step.expression for step in steps if isinstance(step, OnBuild))


def _outermost(directories: set[str]) -> list[str]:
    """Return ``directories`` without those that lie below another of them, sorted."""
    kept: list[str] = []
    for directory in sorted(directories, key=lambda path: path.split("/")):
        if directory == ".":
            return ["."]
        if not kept or not directory.startswith(f"{kept[-1]}/"):
            kept.append(directory)
    return kept


def _refuse_used_volatile_args(image: ImageConfig, dockerfile: Dockerfile, args: Mapping[str, str]) -> None:
    if not image.volatile_args:
        return
    from pipeline_kit.dockerfile.volatile import arg_uses

    for name in image.volatile_args:
        lines = arg_uses(dockerfile, image.target, name, args=args, contexts=frozenset(image.contexts))
        if lines:
            raise DockerfileError(
                f"{image.dockerfile}:{lines[0]}: volatile argument {name} is used in a step that decides the image",
                hint=f"take {name} out of images.{image.name}.volatile_args, or out of that step",
            )


def image_needs(image: ImageConfig) -> tuple[str, ...]:
    """Return the images of the configuration that ``image`` builds upon, in the order written."""
    return tuple(dict.fromkeys(c.image for c in image.contexts.values() if isinstance(c, ImageContext)))
