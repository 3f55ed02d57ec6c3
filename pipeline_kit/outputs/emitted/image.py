"""What is handed on of an image, and names made from its name."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pipeline_kit.errors import InputError
from pipeline_kit.named_tuple import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")


class PinnedImage(NamedTuple):
    """An image that is in the registry; ``repository`` is ``host/path``, ``tag`` the content tag or ``""``."""

    name: str
    repository: str
    digest: str
    tag: str = ""

    @property
    def pinned(self) -> str:
        """Return ``host/path@digest``."""
        return f"{self.repository}@{self.digest}"


def filled(template: str, image: PinnedImage, flag: str) -> str:
    """Return ``template`` with ``{name}``, ``{NAME}`` (as a variable's name), ``{repository}`` or ``{path}`` replaced.

    Raises InputError for any other placeholder; ``flag`` is what the template was given with.
    """
    host, _, path = image.repository.partition("/")
    values = {
        "name": image.name,
        "NAME": re.sub(r"[^A-Z0-9]", "_", image.name.upper()),
        "repository": image.repository,
        "host": host,
        "path": path,
    }

    def value(found: re.Match[str]) -> str:
        if found[1] not in values:
            raise InputError(
                f"{flag} {template!r}: {found[0]} is no placeholder",
                hint=f"placeholders are {', '.join(f'{{{name}}}' for name in values)}",
            )
        return values[found[1]]

    return _PLACEHOLDER.sub(value, template)


def distinct(
    images: Iterable[PinnedImage], named: Callable[[PinnedImage], str], what: str
) -> list[tuple[str, PinnedImage]]:
    """Return each image with the name that it gets. Raises InputError where two get the same."""
    found: dict[str, PinnedImage] = {}
    for image in images:
        name = named(image)
        other = found.setdefault(name, image)
        if other is not image:
            raise InputError(f"images {other.name} and {image.name} both get the {what} {name!r}")
    return list(found.items())
