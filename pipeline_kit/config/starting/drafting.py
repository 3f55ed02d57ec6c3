"""Candidates to a configuration that loads: named, linked, placed, and what does not load left out with the reason."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, Any

from pipeline_kit.config.findings import shown
from pipeline_kit.config.paths import relative
from pipeline_kit.config.starting import gathering, links, services
from pipeline_kit.config.starting.found import KINDS, Account, Candidate, Described
from pipeline_kit.config.starting.names import Wanted, unique
from pipeline_kit.config.starting.place import Place, choose, own, read_remote, repositories
from pipeline_kit.config.starting.writing import Draft, write
from pipeline_kit.errors import InputError
from pipeline_kit.named_tuple import NamedTuple
from pipeline_kit.values import field, value_class

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pipeline_kit.config.starting.found import Disk, Examine, Examined, Findings
    from pipeline_kit.config.starting.services import Service
    from pipeline_kit.errors import Problem

Check = Callable[[str, Collection[str]], Sequence["Problem"]]
"""Tells what is wrong with the text of a configuration where these environment variables are set."""
_MOST_LINES = 10
_SEVERAL = 2
_IMPORTABLE = ("bake", "compose")
_TELL_ALL = ("bake", "chartpress", "skaffold")
"""Kinds of files that name everything there is to build; a Compose file names what it runs."""


class Wishes(NamedTuple):
    """What the user asked for; empty texts: as found."""

    registry: str = ""
    project: str = ""
    kinds: Collection[str] = ()


class Started(NamedTuple):
    """A configuration's text, how many images it has, and the account of how it came about."""

    text: str
    place: Place
    images: tuple[str, ...]
    account: Account
    services: tuple[Service, ...] = ()
    imports: tuple[str, ...] = ()
    waiting: tuple[str, ...] = ()
    """Environment variables that the text asks for."""


def start(findings: Findings, wishes: Wishes, examine: Examine, disk: Disk, check: Check) -> Started:
    """Return a configuration for what was found. Raises InputError where nothing is left that could be built."""
    return _Start(findings, wishes, examine, disk, check).run()


@value_class(frozen=False)
class _Start:
    findings: Findings
    wishes: Wishes
    examine: Examine
    disk: Disk
    check: Check
    account: Account = field(default_factory=Account)
    place: Place = field(default_factory=lambda: Place("", "", ""))
    named: dict[str, Candidate] = field(default_factory=dict)
    examined: dict[str, Examined] = field(default_factory=dict)
    importable: list[Described] = field(default_factory=list)
    links: list[links.Link] = field(default_factory=list)
    waiting: dict[str, None] = field(default_factory=dict)

    def run(self) -> Started:
        self.account.left_out += self.findings.unread
        found = gathering.described(self.findings, self.wishes.kinds, self.account)
        self.importable = [one for one in found if one.is_whole and one.kind in _IMPORTABLE and one.candidates]
        candidates = self._buildable(item for one in found for item in one.candidates)
        candidates += self._buildable(self._undescribed(candidates))
        links.learn(candidates, {id(item): self.examined[_id(item)] for item in candidates}, self._owners())
        composed = next((one.project for one in found if one.project), "")
        self.place = self._choose(candidates, composed)
        self._name(candidates)
        idle = self._set_aside()
        self._drop_refused()
        return self._finished(idle)

    def _undescribed(self, candidates: Sequence[Candidate]) -> list[Candidate]:
        """Return images of Dockerfiles that no file describes, unless one that says what there is to build does not."""
        taken = {item.dockerfile for item in candidates}
        teller = next((item.source for item in candidates if item.kind in _TELL_ALL), "")
        if "dockerfile" not in self.wishes.kinds:
            return []
        if teller and set(self.wishes.kinds) == set(KINDS):
            for path in self.findings.dockerfiles:
                if path not in taken and not gathering.is_aside(path):
                    self.account.leave(path, f"{teller} does not name it (--from dockerfile takes it)")
            return []
        return gathering.from_dockerfiles(self.findings, taken, self.examine, self.disk, self.account)

    def _owners(self) -> set[str]:
        remote = read_remote(self.findings.remote)
        return {self.findings.directory.lower(), *((remote.owner, remote.name) if remote else ())}

    def _choose(self, candidates: Sequence[Candidate], composed: str) -> Place:
        wishes = self.wishes
        return choose(self.findings, candidates, registry=wishes.registry, project=wishes.project, composed=composed)

    def _buildable(self, candidates: Iterable[Candidate]) -> list[Candidate]:
        """Return the candidates whose Dockerfile can be read and their target found."""
        kept = []
        for item in candidates:
            given = {name: value for name, value in item.entry.get("args", {}).items() if "{" not in value}
            seen = self.examine(item.dockerfile, item.entry.get("target"), given)
            if seen.problem:
                self._leave(item, seen.problem)
            else:
                kept.append(item)
                self.examined[_id(item)] = seen
        return kept

    def _leave(self, item: Candidate, why: str) -> None:
        where = item.source if item.kind == "dockerfile" else f"{item.source}: {shown(item.name)}"
        self.account.leave(where, why)
        self.importable = [one for one in self.importable if one.file.path != item.source]

    def _name(self, candidates: Sequence[Candidate]) -> None:
        """Give names, and let ``image:`` contexts use them; who is built upon an image that is not there goes too."""
        whole = self.place.project.rpartition("/")[2]
        names = unique([Wanted(item.name or whole, item.parents) for item in candidates])
        self.named = dict(zip(names, candidates, strict=True))
        finals = {(item.source, item.name): name for name, item in self.named.items()}
        for name, item in list(self.named.items()):
            if item.name not in ("", name):
                self.importable = [one for one in self.importable if one.file.path != item.source]
            contexts = dict(item.entry.get("contexts", {}))
            for key, value in contexts.items():
                base = value.removeprefix("image:")
                if base != value:
                    contexts[key] = f"image:{finals.get((item.source, base), base)}"
            if contexts:
                item.entry["contexts"] = contexts
        self._drop_orphans()

    def _drop_orphans(self) -> None:
        """Leave out images that are built upon one that is not there, and whoever is built upon those."""
        while True:
            missing = {
                name: base for name, item in self.named.items() for base in links.linked(item) if base not in self.named
            }
            if not missing:
                return
            for name, base in missing.items():
                self._leave(self.named.pop(name), f"it is built upon {shown(base)}, which is left out")

    def _set_aside(self) -> dict[str, tuple[str, dict[str, Any]]]:
        """Link images to each other, and take those out whose base images need a value that nobody gave."""
        idle: dict[str, tuple[str, dict[str, Any]]] = {}
        imported = {one.file.path for one in self.importable}
        lacking = {
            name: self.examined[_id(item)]
            for name, item in self.named.items()
            if self.examined[_id(item)].unresolved and item.source not in imported
        }
        for name, seen in lacking.items():
            self._ask_for(self.named[name], seen.needs)
            # Where there is nothing else, the file asks for the values; else it need not wait for them.
            if len(lacking) < len(self.named) or not seen.needs:
                idle[name] = (seen.unresolved, _entry(self.named[name]))
        if not idle:
            self.waiting = dict.fromkeys(need for seen in lacking.values() for need in seen.needs)
        for name, (why, _) in idle.items():
            self._leave(self.named.pop(name), why)
        self._drop_orphans()
        seen_by_name = {name: self.examined[_id(item)] for name, item in self.named.items()}
        for link in links.find(self.place, self.named, seen_by_name):
            self.named[link.image].upon[link.reference] = f"image:{link.base}"
            self.links.append(link)
        return idle

    @staticmethod
    def _ask_for(item: Candidate, names: Sequence[str]) -> None:
        if names:
            item.entry["args"] = {**item.entry.get("args", {}), **{name: f"{{env.{name}}}" for name in names}}

    def _problems(self, text: str) -> Sequence[Problem]:
        return self.check(text, self.waiting)

    def _drop_refused(self) -> None:
        """Leave out what does not load: single images first, then imports, whose images are written out instead."""
        problems = self._problems(write(self._draft({})))
        if not problems:
            return
        self._refuse_wishes(problems)
        imported = {one.file.path for one in self.importable}
        self._drop_singly({name for name, item in self.named.items() if item.source not in imported})
        problems = self._problems(write(self._draft({}))) if self.importable else ()
        if problems:
            self.account.chosen.append(f"images are written out, not imported: {problems[0]}")
            self.importable = []
            self._drop_singly(self.named)

    def _refuse_wishes(self, problems: Sequence[Problem]) -> None:
        for problem in problems:
            for key, wish in (("registry", self.wishes.registry), ("project", self.wishes.project)):
                if problem.key == key and wish:
                    raise InputError(f"--{key}: {problem.message}", hint=problem.suggestion or None)

    def _drop_singly(self, names: Collection[str]) -> None:
        for name in list(names):
            item = self.named[name]
            problems = self._problems(write(Draft(self.place, {name: _entry(item, alone=True)})))
            if problems:
                del self.named[name]
                self._leave(item, problems[0].message)
        self._drop_orphans()

    def _finished(self, idle: Mapping[str, tuple[str, Mapping[str, Any]]]) -> Started:
        if not self.named:
            hint = "write a Dockerfile, or go to a directory that has one; with --from, look elsewhere"
            raise InputError(f"nothing was found here that could be built{_nothing(self.account)}", hint=hint)
        for link in self.links:
            if link.image in self.named:
                where = f"{self.named[link.image].dockerfile}, line {link.line}, names {link.reference}"
                self.account.chosen.append(f"{link.image} is built upon {link.base}: {where}")
        if idle:
            self.account.chosen.append(f"as comments in the file, until they have what they lack: {', '.join(idle)}")
        draft = self._draft(idle)
        text = write(draft)
        problems = self._problems(text)
        if problems:
            raise InputError(f"what was found makes no configuration: {problems[0]}", hint="give --from, or write it")
        names, imports = tuple(self.named), tuple(draft.imports)
        return Started(text, self.place, names, self.account, tuple(draft.services), imports, tuple(self.waiting))

    def _draft(self, idle: Mapping[str, tuple[str, Mapping[str, Any]]]) -> Draft:
        imported = {one.file.path for one in self.importable}
        named_repositories = repositories(self.place, self.named)
        paths = {name: named_repositories.get(name, f"{self.place.project}/{name}") for name in self.named}
        whole = {name: f"{self.place.host}/{self.place.prefix}{path}" for name, path in paths.items()}
        found = services.find(self.findings.definitions, whole)
        platforms = services.platforms(found)
        images: dict[str, dict[str, Any]] = {}
        for name, item in self.named.items():
            own_entry = _overlay(item) if item.source in imported else _entry(item)
            if item.source in imported and item.kind == "compose":
                brought = own(self.place, item) or f"{self.place.project}/{name}"
                if named_repositories.get(name, f"{self.place.project}/{name}") != brought:
                    own_entry["repository"] = paths[name]
            elif name in named_repositories:
                own_entry["repository"] = named_repositories[name]
            if name in platforms and "platforms" not in item.entry:
                own_entry["platforms"] = platforms[name]
            if own_entry:
                images[name] = own_entry
        comments = {n: i.source for n, i in self.named.items() if i.kind != "dockerfile" and i.source not in imported}
        shared = [] if imported else _shared_platforms(images.values())
        return Draft(self.place, images, comments, sorted(imported), idle, found, shared)


def _overlay(item: Candidate) -> dict[str, Any]:
    """Return what an imported image lacks: contexts that only its Dockerfile told of."""
    return {"contexts": dict(item.upon)} if item.upon else {}


def _entry(item: Candidate, *, alone: bool = False) -> dict[str, Any]:
    """Return an image's keys, those for a check of it ``alone`` without the images that it is built upon."""
    entry: dict[str, Any] = {"context": item.context}
    dockerfile = relative(item.dockerfile, item.context)
    if dockerfile != "Dockerfile":
        entry["dockerfile"] = dockerfile
    contexts = {**item.entry.get("contexts", {}), **item.upon}
    if alone:
        contexts = {name: value for name, value in contexts.items() if not value.startswith("image:")}
    return entry | {key: value for key, value in {**item.entry, "contexts": contexts}.items() if value}


def _shared_platforms(entries: Collection[dict[str, Any]]) -> list[str]:
    """Return the platforms that every image names, taken out of the entries; nothing where there is one image alone."""
    said = [entry.get("platforms") for entry in entries]
    if len(said) < _SEVERAL or not said[0] or any(platforms != said[0] for platforms in said):
        return []
    for entry in entries:
        del entry["platforms"]
    return list(said[0])


def _id(item: Candidate) -> str:
    return f"{item.source}\0{item.name}"


def _nothing(account: Account) -> str:
    """Return what was found and is not built, for an error that says that nothing else was."""
    lines = [f"  left out: {what}: {why}" for what, why in reversed(account.left_out)]
    more = len(lines) - _MOST_LINES
    return "\n".join(["", *lines[:_MOST_LINES], *([f"  … and {more} more"] if more > 0 else [])])
