"""Many cases built, tagged and judged: where the products differ, the tags must differ."""

from __future__ import annotations

import shutil
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from soundness.build import AT_ONCE, Engine, Job
from soundness.generate import CHANGES_A_SCENE, Case, case
from soundness.likely import builds
from soundness.products import Product, differences
from soundness.scene import told, write
from soundness.tags import Tagged, tag_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one case."""

    case: Case
    before: tuple[Product, Tagged]
    after: tuple[Product, Tagged]

    @property
    def product_equal(self) -> bool:
        """Return whether BuildKit made the same of both."""
        return self.before[0] == self.after[0]

    @property
    def runs_equal(self) -> bool:
        """Return whether containers of both would see the same, however the images are layered."""
        return self.before[0].runs_like(self.after[0])

    @property
    def tag_equal(self) -> bool:
        """Return whether both have one and the same tag."""
        return self.before[1].tag is not None and self.before[1].tag == self.after[1].tag

    @property
    def is_violation(self) -> bool:
        """Return whether the second would have been skipped, wrongly."""
        return self.tag_equal and not self.product_equal

    @property
    def says_nothing(self) -> bool:
        """Return whether both builds fail: equal, but no image."""
        return self.before[0].failed and self.after[0].failed

    @property
    def is_needless(self) -> bool:
        """Return whether an equal image would have been built anew."""
        return self.product_equal and not (self.tag_equal or self.is_refused or self.says_nothing)

    @property
    def is_refused(self) -> bool:
        """Return whether one of the two has no tag at all: then nothing is skipped."""
        return self.before[1].tag is None or self.after[1].tag is None

    def told(self) -> str:
        """Return everything that is needed to look at the case."""
        lines = [f"case {self.case.number}: {self.case.edit.kind}: {self.case.edit.what}"]
        lines += [f"tags {self.before[1]} / {self.after[1]}", *differences(self.before[0], self.after[0])]
        return "\n".join([*lines, told(self.case.before)])


@dataclass(slots=True)
class Table:
    """Counts over many verdicts."""

    seed: int
    verdicts: list[Verdict] = field(default_factory=list)

    @property
    def violations(self) -> list[Verdict]:
        """Return the cases in which the tag lied."""
        return [verdict for verdict in self.verdicts if verdict.is_violation]

    def precision(self, *, ordinary: bool | None = None, by_root: bool = False) -> tuple[int, int]:
        """Return, of changes that left the image equal, how many left the tag equal, and how many there were.

        ``by_root``: two images are taken for equal already where containers of both would see the same.
        """
        counted = [
            verdict
            for verdict in self.verdicts
            if (verdict.runs_equal if by_root else verdict.product_equal)
            if not verdict.is_refused and not verdict.says_nothing
            if ordinary is None or verdict.case.before.ordinary == ordinary
        ]
        return sum(verdict.tag_equal for verdict in counted), len(counted)

    def told(self) -> str:
        """Return the table for people."""
        total = len(self.verdicts)
        failed = sum(product.failed for v in self.verdicts for product, _ in (v.before, v.after))
        refused = [v for v in self.verdicts if v.is_refused]
        buildable = sum(
            tagged.tag is None and not product.failed for v in refused for product, tagged in (v.before, v.after)
        )
        whole = sum(bool(v.before[1].because) for v in self.verdicts if v.before[1].tag is not None)
        differ = sum(not v.product_equal for v in self.verdicts)
        silent = sum(v.says_nothing for v in self.verdicts)
        lines = [
            f"seed {self.seed}: {total} changes, {len(self.violations)} violations",
            f"images: {differ} differ, {total - differ - silent} equal, {silent} both fail",
            f"failed builds: {failed} of {2 * total}",
            f"refused (no tag): {len(refused)} changes; of these, builds that BuildKit accepts: {buildable}",
            f"whole context counted: {whole} of {total - sum(v.before[1].tag is None for v in self.verdicts)}",
        ]
        for name, ordinary in (("all", None), ("ordinary", True), ("others", False)):
            for by_root, equal in ((False, "image"), (True, "root file system and configuration")):
                same, count = self.precision(ordinary=ordinary, by_root=by_root)
                share = 100 * same / max(count, 1)
                lines.append(f"precision, {name} Dockerfiles, {equal} equal: {same}/{count} = {share:.1f} %")
        lines += ["", *self._by_kind(), "", *self._needless()]
        return "\n".join(lines)

    def _by_kind(self) -> Iterator[str]:
        yield f"{'change':<12} {'tried':>6} {'differ':>7} {'both fail':>10} {'equal':>6} {'of these tag equal':>19}"
        kinds = Counter(v.case.edit.kind for v in self.verdicts)
        for kind, tried in sorted(kinds.items()):
            of_kind = [v for v in self.verdicts if v.case.edit.kind == kind]
            silent = sum(v.says_nothing for v in of_kind)
            equal = [v for v in of_kind if v.product_equal and not v.says_nothing]
            same = sum(v.tag_equal for v in equal)
            differ = tried - silent - len(equal)
            yield f"{kind:<12} {tried:>6} {differ:>7} {silent:>10} {len(equal):>6} {same:>19}"

    def _needless(self) -> Iterator[str]:
        """Tell why ordinary Dockerfiles' tags changed although the image did not."""
        causes = Counter(_cause(v) for v in self.verdicts if v.is_needless and v.case.before.ordinary)
        for cause, count in causes.most_common():
            yield f"needless, ordinary: {count:>3}  {cause}"


def _cause(verdict: Verdict) -> str:
    because = verdict.before[1].because or verdict.after[1].because
    for known in (
        "reached through a link",
        "may come from the base",
        "the whole context is read",
        "can match anywhere",
    ):
        if known in because:
            return f"whole context: {known}"
    return f"whole context: {because}" if because else f"narrowed; {verdict.case.edit.kind}"


def judge(engine: Engine, seed: int, numbers: Sequence[int], folder: Path, *, keep: bool = False) -> Iterator[Verdict]:
    """Build and tag the cases ``numbers`` of ``seed`` below ``folder``, many at once; yield each verdict."""
    step = AT_ONCE // (CHANGES_A_SCENE + 1) * CHANGES_A_SCENE
    for start in range(0, len(numbers), step):
        place = folder / f"cases-{numbers[start]}"
        place.mkdir()
        cases = [case(seed, number, engine.flags) for number in numbers[start : start + step]]
        yield from _judge(engine, cases, place)
        if not keep:
            shutil.rmtree(place)


def _judge(engine: Engine, cases: Sequence[Case], place: Path) -> list[Verdict]:
    scenes = {f"s{found.scene}": found.before for found in cases}
    scenes |= {f"t{found.number}": found.edit.after for found in cases}
    tags: dict[str, Tagged] = {}
    jobs: list[Job] = []
    for name, scene in scenes.items():
        write(scene, place / name)
        tags[name] = tag_of(scene, place / name, engine.digests)
        jobs.append(Job(name, scene, place / name, alone=not builds(scene), dockerfiles=tags[name].dockerfiles))
    products = engine.build(jobs, place)
    found = {name: (products[name], tags[name]) for name in scenes}
    return [Verdict(item, found[f"s{item.scene}"], found[f"t{item.number}"]) for item in cases]
