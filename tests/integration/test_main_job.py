"""The main job, end to end, on a real engine and a real registry."""

from __future__ import annotations

import io
import json
import re
import signal
import tarfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
import stack
from fakes.main_job import Job, make_job

from pipeline_kit.app.builders import builder_of
from pipeline_kit.app.job import BuildOptions, run_build
from pipeline_kit.app.session import open_session

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pipeline_kit.app.session import Session
    from pipeline_kit.app.tagging import Tagged
    from pipeline_kit.ports.builder import Builder

pytestmark = [pytest.mark.engine, pytest.mark.registry]


@pytest.fixture(scope="session")
def base_image(running_stack: stack.Stack) -> str:
    """A base image in the local registry."""
    stack.seed_base(running_stack.engine, running_stack.registry)
    return f"{running_stack.registry}/library/busybox:1.36"


@pytest.fixture
def job(tmp_path: Path, registry_host: str, engine_env: dict[str, str], base_image: str) -> Job:
    """A fresh repository of two images."""
    return make_job(tmp_path / "repository", registry_host, engine_env, base=base_image)


def test_second_run_skips_everything(job: Job) -> None:
    """Built once, an image is skipped from then on; the registry holds exactly the reported digest."""
    first = job.build()
    second = job.build()
    assert {name: image["status"] for name, image in first.items()} == {"base": "built", "api": "built"}
    assert {name: image["status"] for name, image in second.items()} == {"base": "skipped", "api": "skipped"}
    for name, image in first.items():
        assert job.digest(name, image["tag"]) == image["digest"] == second[name]["digest"]


def test_only_what_depends_on_a_change_is_built(job: Job) -> None:
    """A change in a leaf builds the leaf; a change in the base builds both, and says why."""
    job.build()
    job.write("services/api/src/app.py", "print(2)\n")
    assert {n: i["status"] for n, i in job.build().items()} == {"base": "skipped", "api": "built"}
    job.write("base/base.txt", "other\n")
    images = job.build()
    assert {n: i["status"] for n, i in images.items()} == {"base": "built", "api": "built"}
    assert "base base is rebuilt" in images["api"]["reasons"]
    assert images["base"]["reasons"] == ["base.txt changed"]


def test_alias_follows_the_branch(job: Job) -> None:
    """The branch's alias names the same manifest as the content tag, and is not written again when it does."""
    images = job.build()
    assert job.digest("api", "main") == images["api"]["digest"]
    report = job.build()
    assert [alias["state"] for alias in report["api"]["aliases"]] == ["unchanged"]


def test_alias_does_not_go_back_to_an_older_commit(job: Job) -> None:
    """A run on an older commit leaves the alias where a newer commit put it, unless forced."""
    old = job.build()["api"]["digest"]
    job.write("services/api/src/app.py", "print(2)\n")
    job.git("commit", "--quiet", "-a", "-m", "two")
    new = job.build()["api"]["digest"]
    job.git("branch", "newer")
    job.git("reset", "--quiet", "--hard", "HEAD^")
    state = job.build()["api"]["aliases"][0]
    assert (state["state"], job.digest("api", "main")) == ("skipped", new)
    job.build("--force", "api")
    assert job.digest("api", "main") not in (None, new)
    assert old != new


def test_task_definition_is_written_by_digest(job: Job, tmp_path: Path) -> None:
    """Build writes the task definition where it is told to; ecs render prints the same."""
    images = job.build("--task-definitions", str(tmp_path / "out"))
    written = json.loads((tmp_path / "out" / "prod-shop.json").read_bytes())
    assert written["containerDefinitions"][0]["image"] == f"{job.registry}/{job.project}/api@{images['api']['digest']}"
    assert json.loads(job.kit("ecs", "render").stdout) == written


@pytest.mark.parametrize(
    "dockerfile",
    [
        "FROM {base}\nRUN cp /etc/base-version /seen\n",
        "ARG BASE\nFROM ${{BASE}}\nRUN cp /etc/base-version /seen\n",
        "ARG BASE\nFROM --platform=$TARGETPLATFORM ${{BASE:-none}} AS one\nFROM one\nRUN cp /etc/base-version /seen\n",
        "FROM scratch\nCOPY --from={base} /etc/base-version /seen\n",
        "FROM {other}\nRUN --mount=from={base},source=/etc,target=/mnt cp /mnt/base-version /seen\n",
    ],
    ids=["FROM", "FROM of an ARG", "FROM of a stage", "COPY --from", "RUN --mount"],
)
def test_build_is_pinned_to_the_base_in_the_key(
    job: Job, running_stack: stack.Stack, base_image: str, monkeypatch: pytest.MonkeyPatch, dockerfile: str
) -> None:
    """A base tag that moves after the key was made does not get in: the image holds the base of its key."""
    engine, host, repository = running_stack.engine, running_stack.registry, f"library/{job.project}"
    stack.seed_base(engine, host, repository, "1", version="one")
    base = f"{host}/{repository}:1"
    config = (job.directory / "pipeline-kit.yaml").read_text()
    job.write("pipeline-kit.yaml", re.sub(r'BASE: ".*?"', f'BASE: "{base}"', config))
    job.write("base/Dockerfile", dockerfile.format(base=base, other=base_image))
    for name, value in job.environment.items():
        monkeypatch.setenv(name, value)

    @contextmanager
    def move_then_open(session: Session, tagged: Tagged) -> Iterator[Builder]:
        stack.seed_base(engine, host, repository, "1", version="two", replace=True)
        with builder_of(session, tagged) as builder:
            yield builder

    with open_session(job.directory, None, job.environment) as session:
        options = BuildOptions(("base",))
        report = run_build(session, options, lambda tagged: move_then_open(session, tagged), lambda _: None)
    assert report.exit_code == 0, report
    assert _file_in_last_layer(job, "base", str(report.images[0].digest), "seen") == b"one\n"


def test_failed_image_does_not_stop_independent_ones(job: Job) -> None:
    """One image fails: the other is built and pushed, no alias moves, exit 1, and the log's end is shown."""
    job.write("services/api/Dockerfile", "FROM base\nRUN echo the last words; exit 3\n")
    done = job.kit("build", "--json")
    images = json.loads(done.stdout)["images"]
    assert (done.returncode, images["base"]["status"], images["api"]["status"]) == (1, "built", "failed")
    assert "the last words" in done.stderr
    assert "Traceback" not in done.stderr
    assert job.digest("api", "main") is None
    assert job.digest("base", images["base"]["tag"]) == images["base"]["digest"]


def test_failed_base_blocks_what_builds_upon_it(job: Job) -> None:
    """What depends on a failed image is blocked, not tried."""
    job.write("base/Dockerfile", "ARG BASE\nFROM ${BASE}\nRUN false\n")
    images = job.build(code=1)
    assert (images["base"]["status"], images["api"]["status"]) == ("failed", "blocked")


def test_files_that_change_during_the_build_are_not_tagged(job: Job) -> None:
    """The image is built, the tree has moved meanwhile: nothing is stored under the key, exit 5."""
    job.write("services/api/Dockerfile", "FROM base\nCOPY src /src\nRUN sleep 3\n")
    tag = job.kit("tag", "api").stdout.split(":")[-1].strip()
    running = job.start("build", "--json")
    time.sleep(1.5)
    job.write("services/api/src/app.py", "print('moved')\n")
    out, err = running.communicate(timeout=120)
    assert running.returncode == 5, err
    assert json.loads(out)["images"]["api"]["status"] == "failed"
    assert job.digest("api", tag) is None


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_interrupted_run_leaves_nothing_half(job: Job, tmp_path: Path, number: int, code: int) -> None:
    """A signal ends the run at once with its code: no tag, no alias, a report; the next run finishes the work."""
    job.write("services/api/Dockerfile", "FROM base\nCOPY src /src\nRUN sleep 30\n")
    report = tmp_path / "report.json"
    running = job.start("build", "--report", str(report))
    time.sleep(3)
    running.send_signal(number)
    before = time.monotonic()
    _, err = running.communicate(timeout=60)
    assert (running.returncode, time.monotonic() - before < 5) == (code, True), err
    assert json.loads(report.read_bytes())["interrupted"] is True
    assert job.digest("api", "main") is None
    job.write("services/api/Dockerfile", "FROM base\nCOPY src /src\n")
    assert job.build()["api"]["status"] == "built"


def test_two_runs_at_once_end_with_one_digest(job: Job) -> None:
    """Two runs that both find nothing report the same digests, which the registry holds."""
    with ThreadPoolExecutor(2) as pool:
        both = list(pool.map(lambda _: job.build(), range(2)))
    for name, image in both[0].items():
        assert image["digest"] == both[1][name]["digest"] == job.digest(name, image["tag"])
    statuses = {image["status"] for images in both for image in images.values()}
    assert statuses <= {"built", "reused", "skipped"}


def test_foreign_image_under_a_content_tag_is_a_conflict(job: Job) -> None:
    """An image of another key that appears under our tag while we build is neither taken nor overwritten: exit 6."""
    job.build("base")
    foreign = json.loads(job.kit("build", "--json", "base").stdout)["images"]["base"]
    body = job.fetch(f"{job.project}/base/manifests/{foreign['digest']}")
    job.write("base/Dockerfile", "ARG BASE\nFROM ${BASE}\nCOPY base.txt /base.txt\nRUN sleep 3\n")
    tag = job.kit("tag", "base").stdout.split(":")[-1].strip()
    running = job.start("build", "base")
    time.sleep(1.5)
    _put(job, f"{job.project}/base/manifests/{tag}", body or b"")
    _, err = running.communicate(timeout=120)
    assert running.returncode == 6, err
    assert job.digest("base", tag) == foreign["digest"]


def test_git_directory_never_enters_an_image(job: Job) -> None:
    """A context that is the whole repository is sent without .git, so a commit alone changes no tag and no image."""
    config = (job.directory / "pipeline-kit.yaml").read_text()
    job.write(
        "pipeline-kit.yaml", config.replace("context: services/api", 'context: "."\n    dockerfile: all/Dockerfile')
    )
    job.write("all/Dockerfile", "FROM base\nCOPY . /all\nRUN test -f /all/base/base.txt && test ! -e /all/.git\n")
    job.git("add", "--all")
    job.git("commit", "--quiet", "-m", "two")
    first = job.build()
    job.git("commit", "--quiet", "--allow-empty", "-m", "three")
    assert first["api"]["status"] == "built"
    assert job.build()["api"]["status"] == "skipped"


def test_saved_plan_is_refused_when_the_tree_moved(job: Job, tmp_path: Path) -> None:
    """A saved plan is carried out as it is, or not at all."""
    saved = str(tmp_path / "plan.json")
    assert job.kit("plan", "--out", saved, "--detailed-exitcode").returncode == 10
    assert job.kit("build", "--plan", saved).returncode == 0
    stale = job.kit("build", "--plan", saved)
    assert stale.returncode == 6
    assert "the registry moved" in stale.stderr
    job.write("base/base.txt", "other\n")
    job.kit("plan", "--out", saved)
    job.write("base/base.txt", "third\n")
    assert "its inputs changed" in job.kit("build", "--plan", saved).stderr


def test_github_outputs_and_summary(job: Job, tmp_path: Path) -> None:
    """On GitHub the outputs, the summary and a task definition are written where the runner reads them."""
    for name in ("output", "summary"):
        (tmp_path / name).touch()
    done = job.kit(
        "build",
        GITHUB_ACTIONS="true",
        GITHUB_OUTPUT=str(tmp_path / "output"),
        GITHUB_STEP_SUMMARY=str(tmp_path / "summary"),
        GITHUB_REF="refs/heads/main",
        GITHUB_SHA=job.git("rev-parse", "HEAD").strip(),
        GITHUB_EVENT_NAME="push",
        RUNNER_TEMP=str(tmp_path),
    )
    assert done.returncode == 0, done.stderr
    outputs = (tmp_path / "output").read_text()
    assert all(re.search(rf"^{name}<<", outputs, re.MULTILINE) for name in ("images", "digests", "built", "skipped"))
    assert "api" in (tmp_path / "summary").read_text()
    assert (tmp_path / "pipeline-kit" / "prod-shop.json").is_file()


def test_missing_platform_is_built_alone_and_joined(job: Job) -> None:
    """An index that lacks a platform is completed: the present child stays as it is, the missing one joins it."""
    config = (job.directory / "pipeline-kit.yaml").read_text()
    job.write("pipeline-kit.yaml", config.replace("  api:\n", "  api:\n    platforms: [linux/amd64, linux/arm64]\n"))
    job.write("services/api/Dockerfile", "FROM scratch\nCOPY src /src\n")
    whole = job.build()["api"]
    index = json.loads(job.fetch(f"{job.project}/api/manifests/{whole['tag']}") or b"")
    assert [child["platform"]["architecture"] for child in index["manifests"]] == ["amd64", "arm64"]
    kept = {**index, "manifests": index["manifests"][:1]}
    _put(job, f"{job.project}/api/manifests/{whole['tag']}", json.dumps(kept).encode(), index["mediaType"])
    plan = json.loads(job.kit("plan", "--json").stdout)["images"]["api"]
    assert (plan["action"], plan["reasons"]) == ("complete", ["tag present, without linux/arm64"])
    done = job.build()["api"]
    again = json.loads(job.fetch(f"{job.project}/api/manifests/{whole['tag']}") or b"")
    assert done["status"] == "completed"
    assert again["manifests"][0]["digest"] == index["manifests"][0]["digest"]
    assert [child["platform"]["architecture"] for child in again["manifests"]] == ["amd64", "arm64"]
    assert job.build()["api"]["status"] == "skipped"


def test_engine_without_buildx_does_the_same_job(job: Job) -> None:
    """The engine's own builder makes the same tags, and its images are hits for everyone."""
    images = job.build("--builder", "engine")
    assert {name: image["status"] for name, image in images.items()} == {"base": "built", "api": "built"}
    assert {name: image["status"] for name, image in job.build().items()} == {"base": "skipped", "api": "skipped"}


def test_stopped_reader_does_not_stop_the_work(job: Job) -> None:
    """A closed stdout ends the printing, not the pushing."""
    running = job.start("build")
    assert running.stdout is not None
    running.stdout.close()
    drain = threading.Thread(target=lambda: running.stderr and running.stderr.read())
    drain.start()
    running.wait(timeout=120)
    drain.join()
    assert running.stderr is not None
    running.stderr.close()
    tag = job.kit("tag", "api").stdout.split(":")[-1].strip()
    assert job.digest("api", tag) is not None


def _file_in_last_layer(job: Job, image: str, digest: str, name: str) -> bytes:
    manifest = json.loads(job.fetch(f"{job.project}/{image}/manifests/{digest}") or b"")
    layer = job.fetch(f"{job.project}/{image}/blobs/{manifest['layers'][-1]['digest']}")
    with tarfile.open(fileobj=io.BytesIO(layer or b"")) as archive:
        member = archive.extractfile(name)
        assert member is not None
        return member.read()


def _put(job: Job, path: str, body: bytes, media_type: str = "") -> None:
    import urllib.request

    kind = media_type or json.loads(body)["mediaType"]
    request = urllib.request.Request(
        f"http://{job.registry}/v2/{path}", data=body, method="PUT", headers={"Content-Type": kind}
    )
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - loopback
        assert answer.status == 201
