"""Build records and the order of aliases, with real clients on a real registry."""

from __future__ import annotations

import math
import random
import secrets
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
from fakes.main_job import make_job
from fakes.real_registry import RealRegistry

from pipeline_kit.adapters.registry.content import ContentClient
from pipeline_kit.content_tag import KEY_LABEL, KeyInputs
from pipeline_kit.execute.labels import REVISION_LABEL
from pipeline_kit.execute.records import Recorder, RunFacts, read_records
from pipeline_kit.execute.run import Run
from pipeline_kit.plan import Candidate, Plan, Status, Verdict, decide
from pipeline_kit.record import Stamp
from pipeline_kit.reference import Reference

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from pathlib import Path

    import stack

pytestmark = pytest.mark.registry
RUNS = 8


@dataclass
class Rounds:
    """The waits of runs at once, by run: no run looks again before whatever the others had begun to write is written.

    That is what the wait before the look is for. Here any number of threads share a machine, so no time is certain.
    """

    runs: Collection[int]
    passed: dict[int, float] = field(default_factory=dict)
    changed: threading.Condition = field(default_factory=threading.Condition)

    def wait(self, run: int) -> None:
        """Wait until every other run has come as far as ``run``, or has ended."""
        with self.changed:
            reached = self.passed[run] = self.passed.get(run, 0) + 1
            self.changed.notify_all()
            assert self.changed.wait_for(lambda: all(self.passed.get(it, 0) >= reached for it in self.runs), 120)

    def end(self, run: int) -> None:
        """Let no run wait for this one any more."""
        with self.changed:
            self.passed[run] = math.inf
            self.changed.notify_all()


@dataclass
class Branch:
    """A branch in shallow clones, where no run knows another's commit, and the images its runs push."""

    registry: RealRegistry
    repository: Reference

    def run(self, number: int, pause: Callable[[float], None] = time.sleep) -> str:
        """Do what the run of commit ``number`` does after its build: leave a record, move main; return its digest."""
        commit, key = f"{number:040d}", f"{number:064x}"
        labels = {KEY_LABEL: key, REVISION_LABEL: commit}
        pushed = self.registry.put_image(self.repository.repository, key[-40:], labels=labels, content=commit)
        plan = self._plan(pushed.digest, key)
        client = ContentClient(environment={})
        try:
            facts = RunFacts(Stamp(commit, 1_700_000_000 + number, "refs/heads/main", "github", 50 + number, 1))
            inputs = {"api": KeyInputs("d" * 40, ("linux/amd64",))}
            run = Run(plan, client, recorder=Recorder(client, facts, inputs), pause=pause)
            assert run.recorder is not None
            run.recorder.record(plan.images["api"], pushed.digest, 1.0, Status.BUILT)
            run.outcomes["api"].status = Status.BUILT
            run.move_aliases(lambda _: None)
            assert run.recorder.warning == ""
            assert run.exit_code == 0
        finally:
            client.close()
        return pushed.digest

    def _plan(self, digest: str, key: str) -> Plan:
        candidate = Candidate(
            name="api",
            repository=self.repository.name,
            needs=(),
            platforms=("linux/amd64",),
            key=key,
            tag=key[-40:],
            verdict=Verdict.PRESENT,
            digest=digest,
            aliases={"main": None},
        )
        return decide({"api": candidate}, wanted=("api",), force=False)

    def main(self) -> str | None:
        """Return what main names."""
        client = ContentClient(environment={})
        try:
            return client.observe(self.repository.with_tag("main")).digest
        finally:
            client.close()


@pytest.fixture
def branch(registry_host: str) -> Branch:
    """Give a repository that nobody has used."""
    return Branch(RealRegistry(registry_host), Reference(registry_host, f"records/{secrets.token_hex(6)}"))


def test_records_come_back_from_a_registry_without_a_referrers_api(branch: Branch) -> None:
    """The real registry here lists them by tag schema."""
    digest = branch.run(1)
    client = ContentClient(environment={})
    try:
        found = read_records(client, branch.repository.with_digest(digest))
    finally:
        client.close()
    assert [(item.key, item.stamp.run) for item in found] == [(f"{1:064x}", 51)]


def test_runs_that_end_in_reverse_order_leave_the_newest(branch: Branch) -> None:
    """The older run ends last, and leaves the alias alone."""
    digests = {number: branch.run(number) for number in (2, 4, 1, 3)}
    assert branch.main() == digests[4]


@pytest.mark.parametrize("seed", range(4))
def test_runs_at_once_in_any_order_leave_the_newest(branch: Branch, seed: int) -> None:
    """Eight runners move one alias at the same time."""
    order = list(range(1, RUNS + 1))
    random.Random(seed).shuffle(order)  # noqa: S311 - an order, not a secret
    rounds = Rounds(order)

    def run(number: int) -> str:
        try:
            return branch.run(number, lambda _: rounds.wait(number))
        finally:
            rounds.end(number)

    with ThreadPoolExecutor(RUNS) as pool:
        digests = dict(zip(order, pool.map(run, order), strict=True))
    assert branch.main() == digests[RUNS]


@pytest.fixture
def base_image(running_stack: stack.Stack) -> str:
    """A base image in the local registry."""
    import stack as parts

    parts.seed_base(running_stack.engine, running_stack.registry)
    return f"{running_stack.registry}/library/busybox:1.36"


@pytest.mark.engine
@pytest.mark.xdist_group("engine")
def test_the_command_leaves_records_and_explains_against_them(
    tmp_path: Path, registry_host: str, engine_env: dict[str, str], base_image: str
) -> None:
    """Built with verify: record, skipped by the next run, explained against the registry alone."""
    job = make_job(tmp_path / "repository", registry_host, engine_env, base=base_image)
    config = (job.directory / "pipeline-kit.yaml").read_text()
    job.write("pipeline-kit.yaml", f"verify: deep\n{config}")
    assert {image["status"] for image in job.build().values()} == {"built"}
    assert {image["status"] for image in job.build().values()} == {"skipped"}
    job.write("services/api/src/app.py", "print(2)\n")
    told = job.kit("explain", "api", "--against", "image:main")
    assert told.returncode == 0, told.stderr
    assert told.stdout.splitlines()[1:] == ["~ file src/app.py"]
    named = job.kit("explain", "api", "--against", f"{registry_host}/{job.project}/api:main")
    assert named.stdout == told.stdout
