"""``pipeline-kit init`` as a user has it: real directories, real git, files all written or none."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from fakes.command_line import run
from fakes.project_files import write_files
from fakes.shop_copy import ROOT, copy_shop

from pipeline_kit.adapters.templates import template_names
from pipeline_kit.app.init_writing import NewFile, write_all
from pipeline_kit.errors import OutputFailed

if TYPE_CHECKING:
    from fakes.cli_shop import Shop

SCRATCH = "FROM scratch\nCOPY . /\n"
CONFIG = "pipeline-kit.yaml"


@pytest.fixture
def bare(shop: Shop) -> Shop:
    """The shop without a configuration."""
    Path(shop.root, CONFIG).unlink()
    return shop


def files(root: Path) -> set[str]:
    """Return every file below ``root`` but git's."""
    found = (path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file() or path.is_symlink())
    return {path for path in found if not path.startswith(".git/")}


def test_what_people_are_told(bare: Shop) -> None:
    """Stdout names the files, stderr what was found and chosen, and the next command."""
    bare.golden("init", bare.run("init"))


def test_what_is_printed(bare: Shop) -> None:
    """``--print`` and ``--output -`` write nothing; the text is that of the file."""
    before = files(bare.root)
    printed = bare.run("-q", "init", "--registry", "ghcr.io/acme", "--print")
    bare.golden("init-print", printed)
    assert bare.run("-q", "init", "--registry", "ghcr.io/acme", "--output", "-") == printed
    assert files(bare.root) == before
    assert bare.run("-q", "init", "--registry", "ghcr.io/acme").code == 0
    assert Path(bare.root, CONFIG).read_text(encoding="utf-8") == printed.out


def test_the_page_shows_what_is_written(tmp_path: Path, home: Path) -> None:
    """docs/getting-started.md holds the text for the example."""
    copy = copy_shop(tmp_path / "shop")
    Path(copy, CONFIG).unlink()
    subprocess.run(["git", "remote", "add", "origin", "git@github.com:acme/shop.git"], cwd=copy, check=True)
    page = Path(ROOT, "docs", "getting-started.md").read_text(encoding="utf-8")
    assert f"```yaml\n{run(copy, '-q', 'init', '--print').out}```" in page


def test_init_then_plan_then_skip(bare: Shop) -> None:
    """What it writes is a configuration that plans, builds upon the right images, and skips what is there."""
    assert bare.run("init", "--registry", bare.registry.host, "--project", "shop").code == 0
    assert bare.run("plan", "--offline").code == 0
    bare.push()
    planned = bare.run("plan", "--json").json()["images"]
    assert {name: image["action"] for name, image in planned.items()} == dict.fromkeys(("base", "api", "web"), "skip")


def test_without_a_registry_every_command_says_what_is_missing(bare: Shop) -> None:
    """And the variable that stands there serves as well."""
    assert bare.run("init").code == 0
    refused = bare.run("config")
    assert refused.code == 2
    assert "environment variable 'REGISTRY' is not set" in refused.err
    assert f"{CONFIG}:5:" in refused.err
    assert bare.run("plan", "--offline", env={"REGISTRY": "ghcr.io/acme"}).code == 0


def test_a_second_time_nothing_is_touched(bare: Shop) -> None:
    """Exit 2 that names the file; ``--force`` replaces it, with its permissions."""
    assert bare.run("init").code == 0
    path = Path(bare.root, CONFIG)
    path.write_text("mine\n", encoding="utf-8")
    path.chmod(0o600)
    bare.golden("init-again", bare.run("init"))
    assert path.read_text(encoding="utf-8") == "mine\n"
    assert bare.run("init", "--force").code == 0
    assert path.read_text(encoding="utf-8").startswith("# What is built here")
    assert path.stat().st_mode & 0o777 == 0o600


def test_another_spelling_of_the_file_counts_too(bare: Shop) -> None:
    """A new pipeline-kit.yaml would hide the pipeline-kit.yml that is there."""
    write_files(bare.root, {"pipeline-kit.yml": "version: 1\n"})
    assert bare.run("init").code == 2
    assert CONFIG not in files(bare.root)


def test_where_one_file_is_there_none_is_written(bare: Shop) -> None:
    """A workflow of the same name is somebody's."""
    write_files(bare.root, {".github/workflows/build.yml": "mine\n"})
    before = files(bare.root)
    ran = bare.run("init", "--registry", "ghcr.io/acme", "--github", "--codebuild")
    assert ran.code == 2
    assert ".github/workflows/build.yml" in ran.err
    assert files(bare.root) == before


@pytest.mark.parametrize(
    ("registry", "workflow"),
    [
        ("ghcr.io/acme", "build"),
        ("111122223333.dkr.ecr.eu-west-1.amazonaws.com", "build-ecr"),
        ("europe-docker.pkg.dev/acme/shop", "build-gar"),
    ],
)
def test_the_workflow_that_fits_the_registry_is_written(bare: Shop, registry: str, workflow: str) -> None:
    """Each logs in another way."""
    ran = bare.run("init", "--registry", registry, "--github")
    assert ran.out.splitlines() == [CONFIG, f".github/workflows/{workflow}.yml"]
    assert f"{workflow}.yml: put the repository and commit of pipeline-kit in place of OWNER and COMMIT" in ran.err


def test_a_workflow_that_logs_in_elsewhere_is_said_to(bare: Shop) -> None:
    """The registry in it is to be changed then."""
    ran = bare.run("init", "--registry", "quay.io/acme", "--github")
    assert ".github/workflows/build.yml: it logs in to ghcr.io, and images go to quay.io" in ran.err


def test_a_called_workflow_comes_along(bare: Shop) -> None:
    """A caller alone would call nothing."""
    ran = bare.run("init", "--registry", "ghcr.io/acme", "--github=call-reusable-build")
    names = [".github/workflows/call-reusable-build.yml", ".github/workflows/reusable-build.yml"]
    assert ran.out.splitlines() == [CONFIG, *names]


def test_several_templates_by_name(bare: Shop) -> None:
    """The buildspec that CodeBuild takes without being told is the plain one."""
    words = ["--github=deploy", "--github=prune", "--codebuild", "--codebuild=batch"]
    ran = bare.run("init", "--registry", "ghcr.io/acme", *words, "--action-ref", "acme/kit@0123abc")
    assert ran.out.splitlines() == [
        CONFIG,
        ".github/workflows/deploy.yml",
        ".github/workflows/prune.yml",
        "buildspec.yml",
        "buildspec-batch.yml",
    ]
    text = Path(bare.root, ".github/workflows/deploy.yml").read_text(encoding="utf-8")
    assert "uses: acme/kit/actions/" in text
    assert "OWNER/pipeline-kit" not in text
    assert "OWNER and COMMIT" not in ran.err


def test_every_template_is_copied_as_it_is(bare: Shop) -> None:
    """Byte for byte without ``--action-ref``."""
    for kind, option, directory in (
        ("workflows", "--github", "examples/workflows"),
        ("buildspecs", "--codebuild", "buildspec-templates"),
    ):
        names = template_names(kind)  # type: ignore[arg-type]
        ran = bare.run("-q", "init", "--force", *(f"{option}={name}" for name in names))
        assert len(ran.out.splitlines()) == 1 + len(names)
        for name, written in zip(names, ran.out.splitlines()[1:], strict=True):
            assert Path(bare.root, written).read_bytes() == (ROOT / directory / f"{name}.yml").read_bytes()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--github=nothing"], "there are: build"),
        (["--codebuild=nothing"], "there are: batch"),
        (["--action-ref", "acme@1"], "OWNER/REPOSITORY@COMMIT"),
        (["--action-ref", "acme/kit@$(x)"], "OWNER/REPOSITORY@COMMIT"),
        (["--registry", "ghcr.io/Acme"], "--registry: "),
        (["--from", "nothing"], "--from"),
        (["--from", "skaffold"], "nothing was found"),
        (["--print", "--github"], "--print prints"),
        (["--output", "missing/x.yaml"], "missing"),
    ],
)
def test_wishes_that_cannot_be_met_are_usage_errors(bare: Shop, words: list[str], told: str) -> None:
    """Before anything is written."""
    before = files(bare.root)
    ran = bare.run("init", *words)
    assert (ran.code, told in ran.err) == (2, True), ran.err
    assert files(bare.root) == before


def test_json_tells_scripts_the_same(bare: Shop) -> None:
    """Names of files, images, and what was left out."""
    write_files(bare.root, {"tests/Dockerfile": SCRATCH})
    document = bare.run("-q", "init", "--json").json()
    assert document["written"] == [CONFIG]
    assert (document["images"], document["registry"], document["project"]) == (["api", "base", "web"], None, "repo")
    assert [item["what"] for item in document["left_out"]] == ["tests/Dockerfile"]


def test_another_file_and_another_directory(bare: Shop) -> None:
    """``--output`` and ``--config`` name the file; its own directory is the one that is looked at."""
    assert bare.run("init", "--output", "other.yaml", "--registry", "ghcr.io/acme").out == "other.yaml\n"
    assert bare.run("--config", "other.yaml", "config").code == 0
    ran = run(bare.root.parent, "-C", str(bare.root), "--config", "api/kit.yaml", "init", "--registry", "ghcr.io/acme")
    assert (ran.code, ran.out) == (0, "repo/api/kit.yaml\n")
    assert "only api was looked at: the repository begins above it" in ran.err


def test_what_git_ignores_is_not_found_and_what_is_new_is(bare: Shop) -> None:
    """A first Dockerfile need not be added before."""
    write_files(bare.root, {".gitignore": "out/\n", "out/Dockerfile": SCRATCH, "new/Dockerfile": SCRATCH})
    assert bare.run("init", "--json").json()["images"] == ["api", "base", "new", "web"]


def test_a_directory_without_git(tmp_path: Path, home: Path) -> None:
    """Such as a source archive; what was installed there does not count."""
    write_files(tmp_path / "app", {"Dockerfile": SCRATCH, "node_modules/x/Dockerfile": SCRATCH})
    assert run(tmp_path / "app", "init", "--json").json()["images"] == ["app"]


def test_links_that_lead_out_of_the_repository_are_not_followed(bare: Shop, tmp_path: Path) -> None:
    """Neither to read a Dockerfile nor to write a workflow."""
    outside = tmp_path / "outside"
    write_files(outside, {"Dockerfile": SCRATCH})
    Path(bare.root, "linked").mkdir()
    Path(bare.root, "linked", "Dockerfile").symlink_to(outside / "Dockerfile")
    Path(bare.root, ".github").symlink_to(outside)
    ran = bare.run("init", "--github")
    assert ran.code == 2
    assert "leads out of the repository" in ran.err
    assert [path.name for path in outside.iterdir()] == ["Dockerfile"]
    assert "linked" not in bare.run("init", "--print").out


HOSTILE = (
    *("a\nb", "a: b", "{sha}", "'", '"', "#", "$(touch x)", "::error::", "\x1b[31m", "é", "on", "-x", "${{ github }}"),
    *("@x", "&a", "*a", "!!str", "%0A", "`x`"),
)


def test_hostile_names_are_text_in_the_file_and_on_the_terminal(bare: Shop) -> None:
    """Whatever a directory is called, the file loads, and nothing is carried out or coloured."""
    write_files(bare.root, {f"{name}/{file}": SCRATCH for name in HOSTILE for file in ("Dockerfile", "x.txt")})
    bare.commit()
    ran = bare.run("init", "--registry", "ghcr.io/acme", env={"GITHUB_ACTIONS": "true"})
    assert ran.code == 0, ran.err
    assert "\x1b" not in ran.err
    assert not any(line.lstrip().startswith("::") for line in ran.err.splitlines())
    config = bare.run("config").json()
    contexts = {image["context"] for image in config["images"].values()}
    assert contexts >= set(HOSTILE) - {"a\nb", "{sha}", "\x1b[31m"}
    assert bare.run("plan", "--offline").code == 0
    assert "x" not in files(bare.root)


def test_bytes_that_are_no_text_are_left_out(bare: Shop) -> None:
    """A configuration is UTF-8."""
    place = os.fsencode(bare.root) + b"/\xff"
    Path(os.fsdecode(place)).mkdir()
    Path(os.fsdecode(place + b"/Dockerfile")).write_text(SCRATCH, encoding="utf-8")
    bare.commit()
    ran = bare.run("init", "--json")
    assert ran.json()["images"] == ["api", "base", "web"]


COMPOSE = """
services:
  api:
    image: ghcr.io/acme/corner/api:${TAG:-1}
    build: {context: api, additional_contexts: {base: "service:base"}}
  base: {image: ghcr.io/acme/corner/base, build: base}
"""
BAKE = """
variable "TAG" { default = "1" }
group "default" { targets = ["api", "sites"] }
group "sites" { targets = ["site"] }
target "_common" { platforms = ["linux/amd64", "linux/arm64"] }
target "api" {
  inherits = ["_common"]
  context = "api"
  contexts = { base = "target:base" }
  tags = ["ghcr.io/acme/corner/api:${TAG}"]
}
target "base" {
  context = "base"
  tags = ["ghcr.io/acme/corner/base:${TAG}"]
}
target "site" {
  name = "site-${x}"
  matrix = { x = ["a", "b"] }
  context = "web"
  args = { WHICH = x }
}
"""


def test_compose_is_imported(bare: Shop) -> None:
    """With the registry that its images name."""
    write_files(bare.root, {"compose.yaml": COMPOSE, "compose.override.yaml": "services: {}\n"})
    bare.golden("init-compose", bare.run("init"))
    images = bare.run("config").json()["images"]
    assert images["api"]["repository"] == "acme/corner/api"
    assert bare.run("plan", "--offline").code == 0


def test_bake_is_imported_as_bake_reads_it(bare: Shop, buildx: None) -> None:
    """Variables, inherits, groups and matrices."""
    write_files(bare.root, {"docker-bake.hcl": BAKE})
    ran = bare.run("init", "--json")
    document = ran.json()
    assert document["imports"] == ["docker-bake.hcl"]
    assert sorted(document["images"]) == ["api", "base", "site-a", "site-b"]
    images = bare.run("config").json()["images"]
    assert images["api"]["platforms"] == ["linux/amd64", "linux/arm64"]
    assert (images["api"]["repository"], images["site-a"]["args"]) == ("acme/corner/api", {"WHICH": "a"})
    assert bare.run("plan", "--offline").code == 0


def test_a_bake_file_that_nobody_can_read_here_is_said_to_be_so(bare: Shop, tmp_path: Path) -> None:
    """Without buildx the Dockerfiles still are."""
    write_files(bare.root, {"docker-bake.hcl": BAKE})
    (tmp_path / "bin").mkdir()
    Path(tmp_path, "bin", "git").symlink_to(subprocess.check_output(["which", "git"], text=True).strip())
    ran = bare.run("init", env={"PATH": str(tmp_path / "bin")})
    assert "left out: docker-bake.hcl: a bake file is imported, and there is no docker command to read it" in ran.err
    assert "3 images: api, base, web" in ran.err


def test_a_bake_file_that_bake_refuses_is_left_out(bare: Shop, buildx: None) -> None:
    """With bake's own words."""
    write_files(bare.root, {"docker-bake.hcl": 'target "api" { context = missing }\n'})
    ran = bare.run("init")
    assert "left out: docker-bake.hcl: bake refuses it: " in ran.err
    assert ran.code == 0


def test_writing_that_fails_half_way_leaves_nothing(tmp_path: Path) -> None:
    """Directories made on the way included."""
    tmp_path.joinpath("taken").mkdir()
    wanted = [NewFile(tmp_path / "a" / "b.yml", b"x"), NewFile(tmp_path / "taken", b"y")]
    with pytest.raises(OutputFailed, match="taken"):
        write_all(wanted)
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]


_STOPPED = """
import os, signal, sys
from pathlib import Path
from pipeline_kit.app import init_writing
from pipeline_kit.outputs import files

whole = files.write_atomically

def stopping(path, data):
    whole(path, data)
    if path.name == "pipeline-kit.yaml":
        os.kill(os.getpid(), signal.SIGTERM)

init_writing.write_atomically = stopping
from pipeline_kit.cli.entry import run
sys.argv = ["pipeline-kit", "init", "--github", "--registry", "ghcr.io/acme"]
run()
"""


def test_an_interrupted_run_leaves_nothing_half_done(bare: Shop) -> None:
    """Between two files: the first goes again, and the same command can be given once more."""
    before = files(bare.root)
    ended = subprocess.run([sys.executable, "-c", _STOPPED], cwd=bare.root, capture_output=True, check=False)
    assert ended.returncode == 128 + signal.SIGTERM
    assert files(bare.root) == before
    assert not Path(bare.root, ".github").exists()
    assert bare.run("init", "--github", "--registry", "ghcr.io/acme").code == 0


def test_a_large_repository_does_not_take_long(bare: Shop) -> None:
    """Three hundred Dockerfiles and some thousand files."""
    many = {f"services/s{number}/Dockerfile": "FROM base\nCOPY src /src\n" for number in range(300)}
    more = {f"services/s{number}/src/f{file}": "x" for number in range(300) for file in range(5)}
    write_files(bare.root, {**many, **more})
    begun = time.monotonic()
    ran = bare.run("init", "--json")
    assert len(ran.json()["images"]) == 303
    assert time.monotonic() - begun < 10
    assert "… and 585 more: pipeline-kit -v init" in ran.err
    assert len(ran.err) < 4000
    assert len(bare.run("-v", "init", "--force").err.splitlines()) > 600
