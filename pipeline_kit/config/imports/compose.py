"""A Compose file's services with a ``build:`` section, as entries of ``images:``.

Source: Compose specification, "Compose Build Specification", "Services top-level element", "Secrets top-level element".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline_kit.config.document import MappingNode, Node, ScalarNode, read_document
from pipeline_kit.config.fields import is_null, read_mapping
from pipeline_kit.config.findings import did_you_mean, shown
from pipeline_kit.config.imports.build_section import BuildSection
from pipeline_kit.config.imports.merging import overlaid
from pipeline_kit.config.imports.values import Values
from pipeline_kit.errors import InvalidReference
from pipeline_kit.reference import DEFAULT_HOST, is_repository, parse_reference
from pipeline_kit.values import value_class

if TYPE_CHECKING:
    from pipeline_kit.config.fields import Reading
    from pipeline_kit.config.imports.variables import Variables

EXTENSION = "x-pipeline-kit"


@value_class()
class Target:
    """Where images go, which decides what a service's ``image:`` means: the registry's host and the path behind it."""

    host: str
    prefix: str


class Compose:
    """Reads one file. ``base`` is its directory, relative to the configuration's; ``project`` is its ``name:``."""

    def __init__(self, reading: Reading, variables: Variables, base: str, target: Target) -> None:
        self.project = ""
        self._reading = reading
        self._values = Values(reading, variables, base)
        self._target = target

    def images(self, data: bytes) -> dict[str, tuple[ScalarNode, MappingNode]]:
        """Return the images by name. Raises Unreadable where the file is no YAML."""
        add = self._reading.findings.add
        root = read_document(data, self._reading.findings, begin="services:")
        top = {key.value: (key, value) for key, value in root.entries}
        if "include" in top:
            suggestion = "list the files that it includes under 'imports' of pipeline-kit.yaml"
            add(top["include"][0], "'include' is not followed", key="include", suggestion=suggestion)
        self.project = self._project(top["name"][1]) if "name" in top else ""
        services = top.get("services")
        if services is None:
            add(root, "'services' is missing", key="services", suggestion=did_you_mean("services", top))
            return {}
        mapping = read_mapping(self._reading, services[1], "services")
        build = BuildSection(self._reading, self._values, top["secrets"][1] if "secrets" in top else None)
        found = {}
        for key, value in mapping.entries if mapping else ():
            node = self._service(build, key, value)
            if node is not None:
                found[key.value] = (key, node)
        self._values.tell_unset(root)
        return found

    def _project(self, node: Node) -> str:
        name = self._values.text(node, "name")
        return name.value if name is not None and is_repository(name.value) else ""

    def _service(self, build: BuildSection, key: ScalarNode, node: Node) -> MappingNode | None:
        where = f"services.{key.value}"
        mapping = read_mapping(self._reading, node, where)
        members = {name.value: (name, value) for name, value in mapping.entries} if mapping else {}
        own = members[EXTENSION][1] if EXTENSION in members else None
        if mapping is None or (isinstance(own, ScalarNode) and own.plain and own.value == "false"):
            return None
        if "extends" in members:
            message = f"'extends' of service {shown(key.value)} is not followed"
            suggestion = f"write its 'build' here, or '{EXTENSION}: false' if it is no image of this repository"
            self._reading.findings.add(members["extends"][0], message, key=f"{where}.extends", suggestion=suggestion)
            return None
        if "build" not in members or is_null(members["build"][1]):
            return None
        built = build.image(members["build"][1], f"{where}.build")
        if built is None:
            return None
        image: Node = built
        platform = members.get("platform")
        if platform is not None:
            image = overlaid(self._platform(*platform, f"{where}.platform"), image)
        image = self._with_repository(image, members.get("image"), f"{where}.image")
        return self._with_own(image, own, f"{where}.{EXTENSION}")

    def _with_own(self, image: Node, own: Node | None, where: str) -> MappingNode | None:
        """Lay what is written in our own words over the rest."""
        mapping = image if isinstance(image, MappingNode) else None
        if own is None or mapping is None:
            return mapping
        if not isinstance(own, MappingNode):
            suggestion = "'false' leaves the service out"
            message = f"'{EXTENSION}' holds keys of an image, as under 'images'"
            self._reading.findings.add(own, message, key=where, suggestion=suggestion)
            return mapping
        both = overlaid(mapping, own)
        return both._replace(line=mapping.line, column=mapping.column) if isinstance(both, MappingNode) else mapping

    def _platform(self, key: ScalarNode, node: Node, where: str) -> MappingNode:
        platform = self._values.text(node, where)
        name = key._replace(value="platforms")
        items = self._values.sequence(node, () if platform is None else (platform,))
        return MappingNode(key.line, key.column, ((name, items),) if platform and platform.value else (), key.file)

    def _with_repository(self, image: Node, named: tuple[ScalarNode, Node] | None, where: str) -> Node:
        """Take the repository from ``image:`` where that names the configured registry, else leave the default."""
        text = None if named is None else self._values.text(named[1], where)
        if named is None or text is None or not text.value or not isinstance(image, MappingNode):
            return image
        try:
            reference = parse_reference(text.value)
        except InvalidReference as error:
            self._reading.findings.add(text, error.message, key=where)
            return image
        is_local = reference.host == DEFAULT_HOST and not text.value.startswith(f"{DEFAULT_HOST}/")
        if reference.host == self._target.host and not (is_local and "/" not in text.value):
            path = reference.repository
            if path.startswith(self._target.prefix) and path != self._target.prefix:
                key = named[0]._replace(value="repository")
                node = text._replace(value=path[len(self._target.prefix) :], plain=False)
                return image._replace(entries=(*image.entries, (key, node)))
        if not is_local:
            message = f"{shown(reference.name)} lies outside 'registry', so the image gets its default repository"
            self._reading.findings.warn(text, message, key=where)
        return image
