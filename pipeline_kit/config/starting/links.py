"""Images here that other images here are built upon, by the names in their Dockerfiles (design D3, ``image:NAME``)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline_kit.config.starting.names import legal
from pipeline_kit.config.starting.place import declared, parsed
from pipeline_kit.graph import dependencies
from pipeline_kit.named_tuple import NamedTuple
from pipeline_kit.reference import DEFAULT_HOST

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from pipeline_kit.config.starting.found import Candidate, Examined, ImageUse
    from pipeline_kit.config.starting.place import Place

_UPSTREAM = frozenset(
    {"alpine", "amazonlinux", "archlinux", "bash", "busybox", "caddy", "centos", "composer", "debian", "docker"}
    | {"dotnet", "eclipse-temurin", "elasticsearch", "elixir", "erlang", "fedora", "gcc", "golang", "gradle"}
    | {"grafana", "haproxy", "haskell", "httpd", "influxdb", "java", "jenkins", "julia", "kafka", "kibana"}
    | {"logstash", "mariadb", "maven", "memcached", "mongo", "mysql", "nats", "nextcloud", "nginx", "node"}
    | {"openjdk", "oraclelinux", "perl", "php", "postgres", "pypy", "python", "rabbitmq", "r-base", "redis"}
    | {"registry", "rethinkdb", "rockylinux", "ruby", "rust", "scratch", "solr", "sonarqube", "swift", "telegraf"}
    | {"tomcat", "traefik", "ubuntu", "vault", "wordpress", "zookeeper"}
)
"""Names that mean Docker Hub's image wherever they stand, whatever a directory here is called."""
_LOCAL_TAGS = frozenset({None, "latest", "local", "dev", "build", "base"})


class Link(NamedTuple):
    """An image's Dockerfile names ``reference``, which is the image ``base`` here."""

    image: str
    base: str
    reference: str
    line: int


def find(place: Place, named: Mapping[str, Candidate], examined: Mapping[str, Examined]) -> list[Link]:
    """Return the links that no ``contexts`` entry describes yet, without any that would close a circle."""
    above: dict[str, set[str]] = {name: set(linked(item)) for name, item in named.items()}
    known = {name: set(_names(place, name, item)) for name, item in named.items()}
    links: list[Link] = []
    for name, item in named.items():
        for use in examined[name].images if name in examined else ():
            base = _meant(use, name, known, named, examined)
            if base is None or use.reference in item.entry.get("contexts", {}):
                continue
            if name in dependencies(above, [base]):
                continue
            above[name].add(base)
            links.append(Link(name, base, use.reference, use.line))
    return links


def learn(candidates: Sequence[Candidate], examined: Mapping[int, Examined], owners: Collection[str]) -> None:
    """Let images go by the references that other Dockerfiles here use for them: ``FROM quay.io/acme/base``.

    That counts where such references name several images here by their own names, or a namespace of ``owners``.
    ``examined`` is by the candidates' ``id()``.
    """
    known = {legal(item.name): item for item in candidates if item.name and not item.declared}
    seen: dict[tuple[str, str], dict[str, str]] = {}
    for item in candidates:
        for use in examined[id(item)].images:
            reference = parsed(use.reference)
            if reference is None or reference.digest is not None or reference.tag not in _LOCAL_TAGS:
                continue
            above, _, name = reference.repository.rpartition("/")
            is_bare = reference.host == DEFAULT_HOST and above == "library"
            if above and not is_bare and name in known and known[name] is not item:
                seen.setdefault((reference.host, above), {})[name] = reference.name
    for (_, above), names in seen.items():
        if len(names) > 1 or any(part in owners for part in above.split("/")):
            for name, text in names.items():
                known[name].declared = known[name].declared or text


def linked(candidate: Candidate) -> Iterator[str]:
    """Yield the names behind ``image:`` in the contexts of an image."""
    for value in (*candidate.entry.get("contexts", {}).values(), *candidate.upon.values()):
        if value.startswith("image:"):
            yield value.removeprefix("image:")


def _names(place: Place, name: str, candidate: Candidate) -> Iterator[str]:
    """Yield ``host/repository`` of every place that an image may be meant by."""
    local = {name, candidate.name, f"{place.project}-{name}", f"{place.project}/{name}", f"{place.project}_{name}"}
    for text in (*sorted(local), candidate.declared, f"{place.registry}/{place.project}/{name}"):
        reference = parsed(text)
        if reference is not None:
            yield reference.name
    found = declared(candidate)
    if found is not None:
        yield found.name


def _meant(
    use: ImageUse,
    image: str,
    known: Mapping[str, set[str]],
    named: Mapping[str, Candidate],
    examined: Mapping[str, Examined],
) -> str | None:
    """Return the image here that a reference means, ``None`` where it rather means one elsewhere."""
    reference = parsed(use.reference)
    if reference is None or reference.digest is not None or use.kind == "syntax":
        return None
    is_bare = reference.host == DEFAULT_HOST and "/" not in use.reference
    bare = reference.repository.rpartition("/")[2]
    for name, names in known.items():
        if name == image or reference.name not in names:
            continue
        if is_bare and named[name].declared.partition(":")[0] != bare:
            own = {_bare(found.reference) for found in examined[name].images} if name in examined else set()
            if bare in _UPSTREAM or bare in own or reference.tag not in _LOCAL_TAGS:
                continue
        return name
    return None


def _bare(text: str) -> str:
    return text.partition("@")[0].partition(":")[0]
