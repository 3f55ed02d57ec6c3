"""The images of a repository as retention sees them: all of them listed, some of them deleted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol

from pipeline_kit.values import value_class

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline_kit.reference import Reference
    from pipeline_kit.retention import StoredImage


@value_class()
class Removal:
    """What became of one image that was to go: ``left`` because something changed meanwhile, ``detail`` says what."""

    image: StoredImage
    outcome: Literal["deleted", "absent", "left", "failed"]
    detail: str = ""


class ImageStore(Protocol):
    """Every method raises RegistryRefused, RegistryUnreachable, AwsRefused or AwsUnreachable."""

    def images(self, repository: Reference) -> Sequence[StoredImage]:
        """Return every image that the registry tells of, each digest once; nothing for a repository that is missing.

        Raises rather than leaving one out because it could not be read.
        """
        ...

    def remove(self, repository: Reference, images: Sequence[StoredImage]) -> Sequence[Removal]:
        """Delete images of one wave; one whose tags are not what ``images`` says is left. Failures are answers too."""
        ...
