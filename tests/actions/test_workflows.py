"""Every workflow of examples/workflows, run by act on the real engine, registries and AWS double.

As they are but for the registry's name: what stands for ghcr.io wants the job's token, what stands for Amazon ECR takes
what the AWS credentials' stand-in has set up.
"""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from fakes.act_runner import ROOT, copy_library
from fakes.ci_events import FORK
from fakes.workflow_files import EXAMPLES, example

if TYPE_CHECKING:
    from pathlib import Path

    from fakes.act_runner import Act, ActRun
    from fakes.main_job import Job

pytestmark = [pytest.mark.engine, pytest.mark.registry, pytest.mark.xdist_group("engine")]


def _built(done: ActRun) -> Any:
    """Return what the one build action of a run built, wherever it has no id."""
    assert done.code == 0, done.text
    found = [record for record in done.commands("set-output") if record["name"] == "built" and record.get("arg")]
    return json.loads(found[-1]["arg"])


def _skipped(done: ActRun) -> Any:
    found = [record for record in done.commands("set-output") if record["name"] == "skipped" and record.get("arg")]
    return json.loads(found[-1]["arg"])


def test_the_common_case_is_twelve_lines() -> None:
    """What a user writes: no more than 12 lines for GitHub's registry and for Amazon's."""
    for name in ("build", "build-ecr"):
        lines = (EXAMPLES / f"{name}.yml").read_text(encoding="utf-8").splitlines()
        assert len([line for line in lines if line.strip()]) <= 12
        assert max(map(len, lines)) <= 105


def test_build(act: Act, job: Job) -> None:
    """Everything is built once; the second push has nothing to do."""
    assert _built(act.run(job.directory, example(job, "build"))) == ["base", "api"]
    again = act.run(job.directory, "build")
    assert (_built(again), _skipped(again)) == ([], ["base", "api"])


def test_build_ecr(act: Act, open_job: Job) -> None:
    """With the role's credentials, and no login step."""
    assert _built(act.run(open_job.directory, example(open_job, "build-ecr"))) == ["base", "api"]


def test_build_gar(act: Act, job: Job) -> None:
    """The access token is the password, for the host that the workflow names."""
    done = act.run(job.directory, example(job, "build-gar"))
    assert _built(done) == ["base", "api"]
    assert "google-token" not in done.printed


def test_merge_queue(act: Act, job: Job) -> None:
    """The queue builds, and the push to main finds everything there."""
    queue = {"merge_group": {"base_sha": "1" * 40, "head_ref": "refs/heads/gh-readonly-queue/main/pr-1"}}
    assert _built(act.run(job.directory, example(job, "merge-queue"), "merge_group", queue)) == ["base", "api"]
    assert _skipped(act.run(job.directory, "merge-queue")) == ["base", "api"]


def test_reusable_workflow_and_caller(act: Act, job: Job) -> None:
    """The caller gets the digests."""
    done = act.run(job.directory, example(job, "call-reusable-build", "reusable-build"))
    assert _built(done) == ["base", "api"]
    assert f'"api": "{job.registry}/{job.project}/api@sha256:' in done.printed


def test_monorepo(act: Act, job: Job) -> None:
    """A job for each new image, and the service's own job where it is new; a README makes nothing run."""
    done = act.run(job.directory, example(job, "monorepo"))
    assert _built(done) == ["base", "api"]
    assert sorted(done.jobs) == ["build", "test api-2", "test base-1", "test the API"]
    job.write("README.md", "hello\n")
    job.git("add", "--all")
    job.git("commit", "--quiet", "-m", "readme")
    again = act.run(job.directory, "monorepo")
    assert (_built(again), list(again.jobs)) == ([], ["build"])


def test_matrix_by_level_and_platform_with_a_join(act: Act, job: Job) -> None:
    """Four levels in a workflow of three: each image gets both platforms, and all are joined."""
    names = ["one", "two", "three", "four"]
    images: dict[str, Any] = {}
    for below, name in zip(["", *names], names, strict=False):
        job.write(f"{name}/Dockerfile", f"FROM {'below' if below else 'scratch'}\nCOPY {name}.txt /\n")
        job.write(f"{name}/{name}.txt", f"{job.project}\n")
        contexts = {"contexts": {"below": f"image:{below}"}} if below else {}
        images[name] = {"context": name, "platforms": ["linux/amd64", "linux/arm64"], **contexts}
    config = {"version": 1, "project": job.project, "registry": job.registry, "images": images}
    job.write("pipeline-kit.yaml", json.dumps(config))
    done = act.run(job.directory, example(job, "matrix"))
    assert done.code == 0, done.text
    assert set(done.outputs("images")) == {"built", "digests", "images", "matrix", "skipped"}, done.text
    assert list(json.loads(done.outputs("images")["images"])) == names
    for name, reference in json.loads(done.outputs("images")["images"]).items():
        index = json.loads(job_fetch(job, act, f"{job.project}/{name}/manifests/{reference.rpartition('@')[2]}"))
        found = {entry["platform"]["architecture"] for entry in index["manifests"]}
        assert found >= {"amd64", "arm64"}, name
    again = act.run(job.directory, "matrix")
    assert again.code == 0, again.text
    assert sorted(again.jobs) == ["join, and hand on", "plan"]
    assert json.loads(again.outputs("images")["skipped"]) == names


def job_fetch(job: Job, act: Act, path: str) -> bytes:
    """GET ``/v2/path`` from the registry that wants a password."""
    url = f"http://ann:job-token@{job.registry}/v2/{path}"
    words = ["curl", "--silent", "--fail", "--header", "Accept: application/vnd.oci.image.index.v1+json", url]
    return subprocess.run(words, env=dict(act.environment), check=True, capture_output=True).stdout


def test_pull_request_of_a_fork_and_the_comment(act: Act, job: Job, tmp_path: Path) -> None:
    """The plan needs no secret; the comment is made once and edited later, on the pull request with that commit."""
    example(job, "pull-request", "pull-request-comment")
    planned = act.run(job.directory, "pull-request", "pull_request", FORK)
    assert planned.code == 0, planned.text
    text = (tmp_path / "artifacts" / "pipeline-kit-plan" / "pipeline-kit-plan.md").read_text(encoding="utf-8")
    assert text.startswith("<!-- pipeline-kit plan -->\n")
    artifact = tmp_path / "artifacts" / "pipeline-kit-plan" / "pipeline-kit-plan.md"
    artifact.write_text(f"{text}\nhello @everyone\n", encoding="utf-8")

    other = {"number": 6, "head": {"sha": "3" * 40}}
    (tmp_path / "github" / "pulls.json").write_text(json.dumps([other, {"number": 7, "head": {"sha": "1" * 40}}]))
    event = {
        "action": "completed",
        "workflow_run": {
            "id": 99,
            "event": "pull_request",
            "conclusion": "success",
            "head_sha": "1" * 40,
            "head_branch": "x`touch pwned`$(touch pwned)",
            "head_repository": {"owner": {"login": "eve"}},
        },
    }
    first = act.run(job.directory, "pull-request-comment", "workflow_run", event)
    assert first.code == 0, first.text
    created = _calls(tmp_path)[-1]
    assert created["words"][2:5] == ["--method", "POST", "repos/nektos/act/issues/7/comments"], created
    assert created["body"].count("<!-- pipeline-kit plan -->") == 1
    assert "hello @\u2060everyone" in created["body"]
    assert "head=eve:x`touch pwned`$(touch pwned)" in _calls(tmp_path)[0]["words"]

    comments = [
        {"id": 1, "user": {"login": "eve"}, "body": "<!-- pipeline-kit plan --> mine"},
        {"id": 2, "user": {"login": "github-actions[bot]"}, "body": "<!-- pipeline-kit plan -->\nold"},
    ]
    (tmp_path / "github" / "comments.json").write_text(json.dumps(comments))
    assert act.run(job.directory, "pull-request-comment", "workflow_run", event).code == 0
    assert _calls(tmp_path)[-1]["words"][2:5] == ["--method", "PATCH", "repos/nektos/act/issues/comments/2"]

    before = len(_calls(tmp_path))
    (tmp_path / "github" / "pulls.json").write_text(json.dumps([other]))
    assert act.run(job.directory, "pull-request-comment", "workflow_run", event).code == 0
    assert len(_calls(tmp_path)) == before + 1, "nothing is written where no pull request has that commit"


def _calls(tmp_path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (tmp_path / "github" / "calls.jsonl").read_text(encoding="utf-8").splitlines()]


def test_promote(act: Act, job: Job) -> None:
    """A release copies what its commit built, with the release's name as a tag."""
    assert _built(act.run(job.directory, example(job, "build"))) == ["base", "api"]
    done = act.run(job.directory, example(job, "promote"), "release", {"release": {"tag_name": "v1.2"}})
    assert done.code == 0, done.text
    assert job_fetch(job, act, "my-organisation/production/api/manifests/v1.2")
    assert job_fetch(job, act, "my-organisation/production/base/manifests/v1.2")


def test_prune(act: Act, open_job: Job) -> None:
    """By hand it lists; on schedule it deletes what nothing keeps, which here is nothing."""
    config = (open_job.directory / "pipeline-kit.yaml").read_text(encoding="utf-8").partition("deploy:")[0]
    open_job.write("pipeline-kit.yaml", f"{config}retention: {{keep_last: 1}}\n")
    open_job.git("add", "--all")
    open_job.git("commit", "--quiet", "-m", "retention")
    assert _built(act.run(open_job.directory, example(open_job, "build-ecr"))) == ["base", "api"]
    by_hand = act.run(open_job.directory, example(open_job, "prune"), "workflow_dispatch", inputs={"delete": "false"})
    assert by_hand.code == 0, by_hand.text
    assert "nothing was deleted (--yes deletes)" in by_hand.printed
    scheduled = act.run(open_job.directory, "prune", "schedule")
    assert scheduled.code == 0, scheduled.text
    assert "kept" in scheduled.printed
    assert "--yes deletes" not in scheduled.printed


def test_lock(act: Act, job: Job, tmp_path: Path) -> None:
    """A branch and a pull request where bases moved; the next night, renewed and not opened twice; else nothing."""
    origin = tmp_path / "origin.git"
    subprocess.run(["git", "init", "--quiet", "--bare", str(origin)], env=dict(act.environment), check=True)
    job.git("remote", "add", "origin", str(origin))
    config = (job.directory / "pipeline-kit.yaml").read_text(encoding="utf-8")
    job.write("pipeline-kit.yaml", f"{config}defaults: {{bases: lock}}\n")
    job.git("add", "--all")
    job.git("commit", "--quiet", "-m", "lock")
    done = act.run(job.directory, example(job, "lock"), "schedule")
    assert done.code == 0, done.text
    created = [call["words"] for call in _calls(tmp_path) if call["words"][:2] == ["pr", "create"]]
    assert [words[2:6] for words in created] == [["--head", "pipeline-kit/lock", "--base", "main"]]
    shown = job.git("--git-dir", str(origin), "show", "--stat", "--format=%an: %s", "pipeline-kit/lock")
    assert shown.startswith("github-actions[bot]: Follow base images")
    assert "pipeline-kit.lock" in shown

    (tmp_path / "github" / "pr-list.json").write_text('[{"number": 3}]')
    assert act.run(job.directory, "lock", "schedule").code == 0
    assert len([call for call in _calls(tmp_path) if call["words"][:2] == ["pr", "create"]]) == 1
    job.git("fetch", "--quiet", "origin", "pipeline-kit/lock")
    job.git("merge", "--quiet", "FETCH_HEAD")
    before = len(_calls(tmp_path))
    assert act.run(job.directory, "lock", "schedule").code == 0
    assert len(_calls(tmp_path)) == before


def test_our_own_ci_tries_the_actions_on_each_runner(act: Act, tmp_path: Path) -> None:
    """The job of .github/workflows/test.yml, from a checkout of this repository."""
    checkout = copy_library(tmp_path / "checkout")
    (checkout / ".github" / "workflows").mkdir(parents=True)
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "test.yml").read_text(encoding="utf-8"))
    workflow = {"name": "test", "on": "push", "jobs": {"actions": workflow["jobs"]["actions"]}}
    (checkout / ".github" / "workflows" / "test.yml").write_text(json.dumps(workflow), encoding="utf-8")
    for words in (["init", "--quiet", "--initial-branch=main"], ["add", "--all"]):
        subprocess.run(["git", *words], cwd=checkout, env=dict(act.environment), check=True)
    who = ["-c", "user.name=test", "-c", "user.email=test@example.invalid"]
    subprocess.run(["git", *who, "commit", "--quiet", "-m", "x"], cwd=checkout, env=dict(act.environment), check=True)
    done = act.run(checkout, "test")
    assert (done.code, len(done.jobs)) == (0, 2), done.text
    assert done.outputs("plan")["has-work"] == "true"


def test_every_example_is_run_here() -> None:
    """A workflow that is added is tried too; the deployment is in test_deploy.py."""
    text = "\n".join((EXAMPLES.parents[1] / "tests" / "actions" / name).read_text(encoding="utf-8") for name in _FILES)
    assert [path.stem for path in EXAMPLES.glob("*.yml") if f'"{path.stem}"' not in text] == []


_FILES = ("test_workflows.py", "test_deploy.py")
