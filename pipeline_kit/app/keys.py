"""Phase three: base digests, keys and content tags (design D4)."""

from __future__ import annotations

import zlib
from functools import partial
from typing import TYPE_CHECKING

from pipeline_kit import content_tag, graph
from pipeline_kit.app.sources import image_needs
from pipeline_kit.app.triggers import refuse_images
from pipeline_kit.config import ImageContext, ReferenceContext
from pipeline_kit.content_tag import EXTRA_INPUTS, KeyInputs
from pipeline_kit.errors import InvalidReference
from pipeline_kit.named_tuple import NamedTuple
from pipeline_kit.narrowing import narrow
from pipeline_kit.reference import parse_reference
from pipeline_kit.snapshot import blob_id
from pipeline_kit.values import field, value_class

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from pipeline_kit.app.sources import ImageSources
    from pipeline_kit.config import ImageConfig
    from pipeline_kit.ports.registry import Observation
    from pipeline_kit.reference import Reference
    from pipeline_kit.snapshot import Listing

    Observe = Callable[[Sequence[Reference]], Sequence[Observation]]

TEXT_ONLY = ""
"""Stands for the digest of a base of which only the text counts (``bases: ignore``)."""


@value_class()
class Bases:
    """What is known of external images: ``digests`` by :func:`digest_name`, the others by :func:`trigger_name`.

    ``quiet`` are those whose image config is known to hold no ONBUILD triggers, which could read any file; ``unasked``
    those whose config the registry would tell, had it been asked.
    """

    digests: Mapping[str, str] = field(default_factory=dict)
    quiet: frozenset[str] = frozenset()
    unasked: frozenset[str] = frozenset()


class Keyed(NamedTuple):
    """One image's key and what it was made from; ``key`` is ``None`` while something about a base is not known.

    That is the digest of ``unknown_bases`` or what ``untold_bases`` do to whatever is built upon them. ``because`` says
    why the whole filtered context counts, ``""`` where it was narrowed.
    """

    inputs: KeyInputs | None
    key: str | None
    tag: str | None
    unknown_bases: tuple[str, ...] = ()
    untold_bases: tuple[str, ...] = ()
    because: str = ""


def references_of(sources: ImageSources) -> dict[str, Reference]:
    """Return the external images of an image's build, by the text that names them.

    Raises InvalidReference with the line that names one outside the grammar.
    """
    found: dict[str, Reference] = {}
    for use in sources.uses.images:
        try:
            found[use.reference] = parse_reference(use.reference)
        except InvalidReference as error:
            raise InvalidReference(f"{sources.image.dockerfile}:{use.line}: {error.message}") from error
    for context in sources.image.contexts.values():
        if isinstance(context, ReferenceContext):
            found[context.reference] = parse_reference(context.reference)
    return found


def digest_name(text: str, image: ImageConfig) -> str:
    """Return the name under which :class:`Bases` holds what ``text`` is for ``image``.

    An image that locks a base and one that resolves it may see two digests.
    """
    is_pinned = parse_reference(text).digest is not None
    return f"lock:{text}" if image.bases == "lock" and not is_pinned else text


def trigger_name(text: str, image: ImageConfig) -> str:
    """Return the name under which :class:`Bases` holds whether ``text`` has triggers, as ``image`` is to see it.

    The answer may not depend on which other images are looked at in the same run.
    """
    return text if image.bases == "resolve" else f"{image.bases}:{text}"


def key_images(all_sources: Mapping[str, ImageSources], bases: Bases, *, prefix: str, now: float) -> dict[str, Keyed]:
    """Return every image's key, chained along the graph. ``now`` is in seconds since the epoch, for ``max_age``."""
    keyed: dict[str, Keyed] = {}
    for name in graph.order({name: image_needs(sources.image) for name, sources in all_sources.items()}):
        keyed[name] = _key_image(all_sources, name, bases, keyed, prefix, now)
    return keyed


def _key_image(
    all_sources: Mapping[str, ImageSources],
    name: str,
    known: Bases,
    keyed: Mapping[str, Keyed],
    prefix: str,
    now: float,
) -> Keyed:
    sources = all_sources[name]
    image = sources.image
    bases = {text: _digest_of(text, image, known.digests) for text in references_of(sources)}
    unknown = tuple(text for text, digest in bases.items() if digest is None)
    chain = {context: keyed[c.image].key for context, c in image.contexts.items() if isinstance(c, ImageContext)}
    unknown += tuple(f"image:{context}" for context, key in chain.items() if key is None)
    if unknown:
        return Keyed(None, None, None, unknown)
    untold = _untold_bases(sources, known)
    if untold:
        return Keyed(None, None, None, untold_bases=untold)
    loud_base = _loud_base(sources, all_sources, known)
    files, because = counting_files(sources, loud_base)
    inputs = KeyInputs(
        dockerfile=blob_id(sources.dockerfile),
        platforms=image.platforms,
        target=image.target or "",
        args=_counting_args(sources, loud_base),
        secrets=tuple(sorted({*image.secrets, *sources.uses.secrets})),
        ssh=tuple(sorted({*image.ssh, *sources.uses.ssh})),
        bases={text: digest for text, digest in bases.items() if digest is not None},
        images={context: key for context, key in chain.items() if key is not None},
        contexts={context: f"docker-image://{c.reference}" for context, c in _reference_contexts(image)},
        files=files,
        options=_options(image, now),
    )
    key = content_tag.key(inputs)
    return Keyed(inputs, key, content_tag.tag(key, prefix), because=because)


def counting_files(sources: ImageSources, loud_base: str) -> tuple[dict[str, Listing], str]:
    """Return the files of each context that count, and why some context counts as a whole (``""``: none does)."""
    uses = sources.uses
    if uses.reads is None:
        return dict(sources.files), str(uses.whole_context_because)
    if loud_base:
        return dict(sources.files), f"{loud_base} may hold ONBUILD triggers"
    found: dict[str, Listing] = {}
    reasons: list[str] = []
    for context, listing in sources.files.items():
        if context == EXTRA_INPUTS:
            found[context] = listing
            continue
        link_text = partial(sources.link_text, context)
        narrowed = narrow(listing, uses.reads_of(context), link_text)
        found[context] = narrowed.listing
        reasons += [narrowed.because] if narrowed.because else []
    return found, "; ".join(reasons)


def _loud_base(sources: ImageSources, all_sources: Mapping[str, ImageSources], known: Bases) -> str:
    """Return a base of which it is not certain that it has no ONBUILD triggers, ``""`` when all are certain."""
    for text in sources.uses.external_bases:
        if trigger_name(text, sources.image) not in known.quiet:
            return f"base image {text}"
    for name in sources.uses.context_bases:
        context = sources.image.contexts.get(name)
        outside = context.reference if isinstance(context, ReferenceContext) else ""
        if outside and trigger_name(outside, sources.image) not in known.quiet:
            return f"base image {outside}"
        here = all_sources[context.image].triggers if isinstance(context, ImageContext) else ()
        if isinstance(context, ImageContext) and here:
            refuse_images(f"image {context.image}", here)
            return f"image {context.image}"
    return ""


def _untold_bases(sources: ImageSources, known: Bases) -> tuple[str, ...]:
    """Return the bases whose triggers were not asked for, where the key depends on whether there are any."""
    found = tuple(text for text in built_upon(sources) if trigger_name(text, sources.image) in known.unasked)
    if not found:
        return ()
    is_whole = counting_files(sources, "")[0] == sources.files
    return () if is_whole and _counting_args(sources, "") == _counting_args(sources, found[0]) else found


def built_upon(sources: ImageSources) -> list[str]:
    """Return the external images in a FROM, whose ONBUILD triggers run in this build, by the text that names them."""
    contexts = (sources.image.contexts.get(name) for name in sources.uses.context_bases)
    through = [context.reference for context in contexts if isinstance(context, ReferenceContext)]
    return [*sources.uses.external_bases, *through]


def _digest_of(text: str, image: ImageConfig, digests: Mapping[str, str]) -> str | None:
    pinned = parse_reference(text).digest
    return pinned or (TEXT_ONLY if image.bases == "ignore" else digests.get(digest_name(text, image)))


def _counting_args(sources: ImageSources, loud_base: str) -> dict[str, str]:
    """Return the arguments that count: what the Dockerfile sees, and where triggers may declare more, every one."""
    hidden = () if loud_base else hidden_args(sources)
    volatile = sources.image.volatile_args
    return {name: value for name, value in sources.args.items() if name not in hidden and name not in volatile}


def hidden_args(sources: ImageSources) -> frozenset[str]:
    """Return the build arguments given that the Dockerfile itself does not see."""
    return frozenset(sources.args.keys() - sources.uses.visible_args)


def _reference_contexts(image: ImageConfig) -> Iterable[tuple[str, ReferenceContext]]:
    return [(name, c) for name, c in image.contexts.items() if isinstance(c, ReferenceContext)]


def _options(image: ImageConfig, now: float) -> dict[str, str]:
    if image.max_age is None:
        return {}
    shift = zlib.crc32(image.name.encode()) % image.max_age  # images do not all come due in the same minute
    return {"max_age": f"{image.max_age}s period {int(now + shift) // image.max_age}"}
