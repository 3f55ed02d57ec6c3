"""What people read of trust scopes, levels of proof and build records."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from fakes.ci_events import github_pull, github_push
from fakes.cli_shop import IMAGES
from fakes.project_files import tags
from fakes.recorded import push_recorded

if TYPE_CHECKING:
    from pathlib import Path

    from fakes.cli_shop import Shop

SCOPES = {"trusted": ["refs/heads/main"]}


def test_plan_of_an_untrusted_run(shop: Shop, tmp_path: Path) -> None:
    """Where it would write is said, and what serves it is named where it lies."""
    shop.write(scopes=SCOPES)
    push_recorded(shop.root, shop.registry, "base", environ=github_push(tmp_path))
    ran = shop.run("plan", env=github_pull(tmp_path, is_fork=False))
    shop.golden("plan-untrusted", ran)
    shown = shop.run("plan", "--json", env=github_pull(tmp_path, is_fork=False)).json()["images"]
    plain = tags(shop.root)
    assert shown["base"]["reference"] == f"{shop.registry.host}/shop/base:{plain['base']}"
    assert shown["api"]["reference"] == f"{shop.registry.host}/shop/api-untrusted:{plain['api']}-pr-12"


def test_plan_of_a_fork_without_credentials(shop: Shop, tmp_path: Path) -> None:
    """What cannot be read is no failure, and no hit either."""
    push_recorded(shop.root, shop.registry, "web")
    shop.registry.add_rule(path="/v2/shop/base/", status=401, body=b'{"errors":[{"code":"UNAUTHORIZED"}]}')
    ran = shop.run("plan", env=github_pull(tmp_path, is_fork=True))
    shop.golden("plan-fork", ran)
    assert ran.code == 0


def test_build_of_a_fork_without_credentials(shop: Shop, tmp_path: Path) -> None:
    """Where nothing can be known nothing is built; exit 0, and why."""
    shop.registry.add_rule(path="/v2/shop/", status=401, body=b'{"errors":[{"code":"UNAUTHORIZED"}]}')
    ran = shop.run("build", env=github_pull(tmp_path, is_fork=True))
    shop.golden("build-fork", ran)
    assert ran.code == 0
    assert {request.method for request in shop.registry.log} <= {"HEAD", "GET"}


def test_plan_with_another_level_of_proof(shop: Shop) -> None:
    """--verify counts for one run, whatever the file says."""
    push_recorded(shop.root, shop.registry, recorded=False)
    assert shop.run("plan", "--detailed-exitcode").code == 0
    assert shop.run("plan", "--verify", "label").code == 0
    refused = shop.run("plan", "--verify", "record")
    shop.golden("plan-unproven", refused)
    assert refused.code == 3
    assert shop.run("build", "--dry-run", "--verify", "record").code == 3
    assert shop.run("build", "--verify", "record").code == 3
    assert shop.run("plan", "--verify", "record", "--force", "--detailed-exitcode").code == 10
    assert shop.run("plan", "--verify", "nope").code == 2


@pytest.mark.parametrize("form", ["image:{tag}", "image:main", "{host}/shop/api:main", "{host}/shop/api@{digest}"])
def test_explain_against_an_image(shop: Shop, form: str) -> None:
    """By content tag, alias, reference or digest: the record tells what was built."""
    shop.write({**IMAGES, "api": {**IMAGES["api"], "args": {"MODE": "fast"}, "platforms": ["linux/arm64"]}})
    (shop.root / "api/Dockerfile").write_text("FROM base\nARG MODE\nCOPY . /\n")
    shop.commit()
    digest = push_recorded(shop.root, shop.registry)["api"]
    tag = tags(shop.root)["api"]
    shop.registry.tags["shop/api"]["main"] = digest
    (shop.root / "api/src/app.py").write_text("print(2)\n")
    (shop.root / "api/new").write_text("")
    (shop.root / "base/VERSION").write_text("2")
    shop.write({**IMAGES, "api": {**IMAGES["api"], "args": {"MODE": "slow"}, "platforms": ["linux/amd64"]}})
    against = form.format(tag=tag, host=shop.registry.host, digest=digest)
    ran = shop.run("explain", "api", "--against", against)
    assert ran.code == 0, ran.err
    assert ran.out.splitlines()[0].startswith(f"against {shop.registry.host}/shop/api:{tag}, built from ")
    assert set(ran.out.splitlines()[1:]) == {
        "+ file new",
        "~ file src/app.py",
        "~ arg MODE",
        "~ image base",
        "~ option platforms",
    }
    document = shop.run("explain", "api", "--against", against, "--json").json()
    assert document["added"] == [{"kind": "file", "name": "new"}]
    assert document["record"]["tag"] == tag


def test_explain_against_an_image_of_the_same_inputs(shop: Shop) -> None:
    """Nothing differs; an argument that is kept hidden can only be suspected."""
    secret = {**IMAGES, "api": {**IMAGES["api"], "args": {"NPM_TOKEN": "{env.A:-}x"}}}
    (shop.root / "api/Dockerfile").write_text("FROM base\nARG NPM_TOKEN\nCOPY . /\n")
    shop.write(secret)
    push_recorded(shop.root, shop.registry)
    tag = tags(shop.root)["api"]
    same = shop.run("explain", "api", "--against", f"image:{tag}")
    assert same.out.splitlines()[1:] == ["nothing differs"]
    other = shop.run("explain", "api", "--against", f"image:{tag}", env={"A": "1"})
    assert other.out.splitlines()[1:] == ["~ arg NPM_TOKEN"]
    blobs = b"".join(shop.registry.blobs["shop/api"].values())
    assert b"NPM_TOKEN" in blobs


def test_explain_against_an_image_without_a_record(shop: Shop) -> None:
    """Pushed by something else, or not there: exit 3 and why."""
    push_recorded(shop.root, shop.registry, recorded=False)
    none = shop.run("explain", "api", "--against", f"image:{tags(shop.root)['api']}")
    assert (none.code, none.out) == (3, "")
    assert "no build record lies beside" in none.err
    gone = shop.run("explain", "api", "--against", "image:nope")
    assert gone.code == 3
    assert "is not in the registry" in gone.err
    assert shop.run("explain", "api", "--against", "image:no/such:ref:erence").code == 2


def test_explain_against_a_commit_that_looks_like_something_else(shop: Shop) -> None:
    """Ids, branches with slashes, and everything that begins with HEAD, stay commits."""
    shop.git("branch", "feature/x.y")
    for rev in ("HEAD", "feature/x.y", "refs/heads/main", "HEAD^{commit}", "HEAD~0"):
        ran = shop.run("explain", "api", "--against", rev)
        assert (ran.code, ran.out) == (0, f"nothing differs from {rev}\n"), ran.err


def test_the_report_names_the_scope(shop: Shop, tmp_path: Path) -> None:
    """For whoever reads it later."""
    push_recorded(shop.root, shop.registry)
    report = tmp_path / "report.json"
    assert shop.run("build", "--report", str(report)).code == 0
    assert json.loads(report.read_bytes())["scope"] == "trusted"
    pull = github_pull(tmp_path, is_fork=True, event="pull_request_target")
    assert shop.run("build", "--report", str(report), env=pull).code == 0
    assert json.loads(report.read_bytes())["scope"] == "pr-12"
