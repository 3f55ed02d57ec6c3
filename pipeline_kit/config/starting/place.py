"""Where images go: the registry, the project, and each image's repository."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

from pipeline_kit.config.starting.names import legal
from pipeline_kit.errors import InvalidReference
from pipeline_kit.named_tuple import NamedTuple
from pipeline_kit.reference import DEFAULT_HOST, Reference, is_repository, parse_reference

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pipeline_kit.config.starting.found import Candidate, Findings

PLACEHOLDER = "{env.REGISTRY}"
"""Stands for a registry that is not known: a variable without a value, which every command asks for by its name."""
VARIABLE = "REGISTRY"
_REMOTE = re.compile(r"(?:[a-z+]+://)?(?:[^@/\s]+@)?(?P<host>[A-Za-z0-9.-]+)(?::[0-9]+/|[:/])(?P<path>[^\s?#]+?)/*\Z")
_LOOPBACK = re.compile(r"(?:localhost|127\.[0-9.]+|\[::1\]|host\.docker\.internal)(?::[0-9]+)?")


class Place(NamedTuple):
    """Registry and project; ``because`` says where the registry was learnt."""

    registry: str
    project: str
    because: str

    @property
    def host(self) -> str:
        """Return the registry's host."""
        return self.registry.partition("/")[0]

    @property
    def prefix(self) -> str:
        """Return the path behind the registry's host, with its slash; empty without one."""
        path = self.registry.partition("/")[2].strip("/")
        return f"{path}/" if path else ""


class Remote(NamedTuple):
    """What the URL of a git remote names."""

    host: str
    owner: str
    name: str


def read_remote(url: str) -> Remote | None:
    """Return what a remote's URL names, ``None`` where it names no repository of a host."""
    found = _REMOTE.fullmatch(url.strip())
    if found is None:
        return None
    owner, _, name = found["path"].strip("/").removesuffix(".git").lower().rpartition("/")
    return Remote(found["host"].lower(), owner, name) if owner and name else None


def parsed(text: str) -> Reference | None:
    """Return the reference that ``text`` is, ``None`` where it is none."""
    try:
        return parse_reference(text)
    except InvalidReference:
        return None


def declared(candidate: Candidate) -> Reference | None:
    """Return the reference that an image goes by, ``None`` where it names no place in a registry."""
    reference = parsed(candidate.declared)
    if reference is None:
        return None
    is_bare = reference.host == DEFAULT_HOST and "/" not in candidate.declared.partition("@")[0]
    return None if is_bare or _LOOPBACK.fullmatch(reference.host) else reference


def choose(
    findings: Findings, candidates: Sequence[Candidate], *, registry: str, project: str, composed: str = ""
) -> Place:
    """Return the place; ``registry`` and ``project`` are what was asked for, ``composed`` a Compose file's name."""
    remote = read_remote(findings.remote)
    references = [found for item in candidates if (found := declared(item))]
    chosen, because = _registry(findings, candidates, references, remote) if not registry else (registry, "")
    paths = [ref.repository for ref in references if ref.host == Place(chosen, "", "").host]
    if project:
        return Place(chosen, project, because)
    common = _common(paths)
    if common and not registry:
        *head, last = common.split("/")
        if head:
            return Place("/".join((chosen, *head)), last, because)
        return Place(chosen, last, because)
    names = (composed, remote.name if remote else "", findings.directory)
    return Place(chosen, next((legal(name) for name in names if name), "images"), because)


def _registry(
    findings: Findings, candidates: Sequence[Candidate], references: Sequence[Reference], remote: Remote | None
) -> tuple[str, str]:
    hosts = Counter(reference.host for reference in references)
    for host, _ in hosts.most_common():
        if host != DEFAULT_HOST:
            return host, f"as in {_first_source(candidates, host)}"
    for host, where in findings.ecr.items():
        return host, f"as in {where}"
    if hosts:
        return DEFAULT_HOST, f"as in {_first_source(candidates, DEFAULT_HOST)}"
    if remote is not None and remote.host == "github.com" and is_repository(remote.owner):
        return f"ghcr.io/{remote.owner}", "the registry of the git remote"
    if remote is not None and remote.host == "gitlab.com" and is_repository(remote.owner):
        return f"registry.gitlab.com/{remote.owner}", "the registry of the git remote"
    return PLACEHOLDER, ""


def _first_source(candidates: Sequence[Candidate], host: str) -> str:
    return next(item.source for item in candidates if (found := declared(item)) and found.host == host)


def _common(repositories: Sequence[str]) -> str:
    """Return the path that most repositories lie below; one of several images counts as such a path."""
    claims = Counter(repositories)
    above = Counter(path if claims[path] > 1 else path.rpartition("/")[0] for path in repositories)
    return max(above, key=lambda path: (above[path], path), default="")


def repositories(place: Place, named: Mapping[str, Candidate]) -> dict[str, str]:
    """Return the repository to write for each image that needs one, by name.

    An image needs one where it goes by another than ``PROJECT/NAME``, and on Docker Hub where that would be nested.
    One repository for several images, told apart by tags, is not had here: each of those gets its own.
    """
    found: dict[str, str] = {}
    taken: set[str] = set()
    claims = Counter(own(place, item) for item in named.values())
    for name in named:
        default = f"{place.project}/{name}"
        if place.host == DEFAULT_HOST and place.prefix:
            default = name
        mine = own(place, named[name])
        wanted = mine if claims[mine] == 1 and mine else default
        while wanted in taken:
            wanted += "-image"
        taken.add(wanted)
        if wanted != f"{place.project}/{name}":
            found[name] = wanted
    return found


def own(place: Place, candidate: Candidate) -> str:
    """Return the repository that an image goes by, as it is written below ``place``; ``""`` where it lies elsewhere."""
    reference = declared(candidate)
    if reference is None or reference.host != place.host or not reference.repository.startswith(place.prefix):
        return ""
    path = reference.repository[len(place.prefix) :]
    return path if is_repository(path) and not path.endswith("-untrusted") else ""


def ecr_hosts(texts: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return the ECR registries that ``(path, text)`` name, the most frequent first, each with where it stands."""
    seen: Counter[str] = Counter()
    where: dict[str, str] = {}
    for path, content in texts:
        for host in re.findall(r"\b[0-9]{12}\.dkr\.ecr\.[a-z0-9-]+\.amazonaws\.com(?:\.cn)?\b", content):
            seen[host] += 1
            where.setdefault(host, path)
    return {host: where[host] for host, _ in seen.most_common()}
