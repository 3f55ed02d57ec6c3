"""The alias command: let tags for people name an image's digest, in the registry, without pulling."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline_kit.app.chosen import CommitOrder, Selection, chosen_images, commit_of, missing, require_trusted, unique
from pipeline_kit.errors import RegistryRefused
from pipeline_kit.execute.alias_move import digest_at, exit_code_of, put_alias, read_manifest
from pipeline_kit.execute.aliases import Order
from pipeline_kit.execute.labels import REVISION_LABEL, labels
from pipeline_kit.execute.workers import Workers
from pipeline_kit.named_tuple import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pipeline_kit.app.chosen import Chosen
    from pipeline_kit.app.session import Session
    from pipeline_kit.execute.aliases import Moved
    from pipeline_kit.manifest import Manifest
    from pipeline_kit.ports.registry import ContentRegistry, Registry


class Aliased(NamedTuple):
    """One image and what became of its aliases."""

    image: Chosen
    digest: str
    aliases: tuple[Moved, ...]

    @property
    def exit_code(self) -> int:
        """Return the gravest code: a failure's own, that of a conflict where a newer image holds an alias, else 0."""
        return max((exit_code_of(moved) for moved in self.aliases), default=0)


def run_aliases(
    session: Session, selection: Selection, tags: Sequence[str], *, force: bool = False
) -> tuple[Aliased, ...]:
    """Let every tag of ``tags`` name each selected image and return what became of them.

    Raises before anything is moved: InputError, ManifestMissing (an image is not there), RegistryRefused and
    RegistryUnreachable. What happens to one alias later stands in the result.
    """
    require_trusted(session)
    wanted = unique(tags)
    registry = session.reached_registry(2 * len(selection.names or session.project.config.images))
    images = chosen_images(session, selection)
    with Workers() as workers:
        manifests, held = _look(registry, images, wanted, workers)
        orders = {
            image.name: None if force else Order(registry, newer_than(session, selection, image)) for image in images
        }
        moves = [(image, alias) for image in images for alias in wanted]
        moved = workers.each(
            lambda move: put_alias(
                registry,
                move[0].source.with_tag(move[1]),
                manifests[move[0].name],
                held=held[move[0].name, move[1]],
                order=orders[move[0].name],
            ),
            moves,
        )
    done = {(image.name, alias): item for (image, alias), item in zip(moves, moved, strict=True)}
    return tuple(
        Aliased(image, manifests[image.name].digest, tuple(done[image.name, alias] for alias in wanted))
        for image in images
    )


def _look(
    registry: ContentRegistry, images: Sequence[Chosen], wanted: Sequence[str], workers: Workers
) -> tuple[dict[str, Manifest], dict[tuple[str, str], str | None]]:
    """Return every image's manifest and what the aliases name now, asked in one wave. Raises ManifestMissing."""
    reading = {image.name: workers.start(lambda image=image: read_manifest(registry, image.source)) for image in images}  # type: ignore[misc]
    pairs = [(image, alias) for image in images for alias in wanted]
    at = workers.each(lambda pair: digest_at(registry, pair[0].source.with_tag(pair[1])), pairs)
    found = {name: future.result() for name, future in reading.items()}
    absent = [image for image in images if found[image.name] is None]
    if absent:
        raise missing(absent)
    manifests = {name: manifest for name, manifest in found.items() if manifest is not None}
    return manifests, {(image.name, alias): digest for (image, alias), digest in zip(pairs, at, strict=True)}


def newer_than(session: Session, selection: Selection, image: Chosen) -> Callable[[str], bool | None]:
    """Return what tells whether a commit comes after the image's: that of the tree, else that of its own label."""
    if selection.at is None:
        return CommitOrder(session, commit_of(session, selection))
    return CommitOrder(session, lambda: _revision(session.registry, image))


def _revision(registry: Registry, image: Chosen) -> str:
    try:
        return labels(registry, image.source).get(REVISION_LABEL, "")
    except RegistryRefused:  # no image with labels: an artifact, say
        return ""
