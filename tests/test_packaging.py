"""The wheel: what is in it, that it runs with its declared dependencies alone, and what it does not load."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import sysconfig
import venv
import zipfile
from importlib import metadata
from pathlib import Path

import pytest
from fakes.shop_copy import OFFLINE_PIP, ROOT

from pipeline_kit import __version__

_HEAVY = ("docker", "git", "yaml", "urllib3", "requests", "boto3", "botocore", "tenacity")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from this checkout."""
    place = tmp_path_factory.mktemp("dist")
    words = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(place)]
    subprocess.run(words, cwd=ROOT, check=True, capture_output=True)
    (found,) = place.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin directory of a new environment with the wheel and what it declares, without extras."""
    place = tmp_path_factory.mktemp("environment")
    venv.create(place, with_pip=False)
    program = place / "bin" / "python"
    words = [sys.executable, "-m", "pip", "--python", str(program), "install", "--quiet", "--no-compile", str(wheel)]
    subprocess.run(words, check=True, env={**os.environ, **OFFLINE_PIP})
    target = Path(sysconfig.get_path("purelib", vars={"base": str(place)}))
    for name in _closure("pipeline-kit"):
        if name != "pipeline-kit":
            _link(metadata.distribution(name), target)
    return place / "bin"


def _closure(name: str) -> set[str]:
    """Return ``name`` and what it needs without extras, as the installed packages declare it."""
    found: set[str] = set()
    left = [name]
    while left:
        current = left.pop()
        if current in found:
            continue
        found.add(current)
        for requirement in metadata.requires(current) or ():
            marker = requirement.partition(";")[2]
            if not marker:
                match = re.match(r"[A-Za-z0-9._-]+", requirement)
                assert match is not None
                left.append(match[0].lower())
    return found


def _link(distribution: metadata.Distribution, target: Path) -> None:
    """Link a distribution's packages and metadata into another environment."""
    tops = {Path(str(file)).parts[0] for file in distribution.files or () if ".." not in Path(str(file)).parts}
    for top in tops - {"__pycache__"}:
        (target / top).symlink_to(Path(str(distribution.locate_file(top))))


def _run(program: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "REGISTRY": "127.0.0.1:1"}
    return subprocess.run([str(program), *words], capture_output=True, text=True, check=False, env=environment)


def test_the_wheel_holds_the_package_its_types_and_its_licence_only(wheel: Path) -> None:
    """Type checkers find py.typed, lawyers the licence; tests and development files stay at home."""
    names = zipfile.ZipFile(wheel).namelist()
    assert "pipeline_kit/py.typed" in names
    assert f"pipeline_kit-{__version__}.dist-info/licenses/LICENSE" in names
    assert {name.partition("/")[0] for name in names} == {"pipeline_kit", f"pipeline_kit-{__version__}.dist-info"}
    sources = {path.relative_to(ROOT).as_posix() for path in (ROOT / "pipeline_kit").rglob("*.py")}
    assert sources <= set(names)


def test_the_wheel_carries_what_init_copies(wheel: Path) -> None:
    """Every workflow and buildspec of this checkout, with the policies beside them, byte for byte."""
    carried = zipfile.ZipFile(wheel)
    for directory, kind in (("examples/workflows", "workflows"), ("buildspec-templates", "buildspecs")):
        files = [path for path in (ROOT / directory).rglob("*") if path.is_file()]
        assert files
        for path in files:
            name = f"pipeline_kit/_templates/{kind}/{path.relative_to(ROOT / directory).as_posix()}"
            assert carried.read(name) == path.read_bytes()


def test_init_writes_templates_from_an_installed_wheel(installed: Path, tmp_path: Path) -> None:
    """The same bytes as from a checkout."""
    (tmp_path / "Dockerfile").write_text("FROM scratch\nCOPY Dockerfile /\n", encoding="utf-8")
    options = ("--registry", "ghcr.io/acme", "--github", "--codebuild")
    done = _run(installed / "pipeline-kit", "-C", str(tmp_path), "init", *options)
    assert done.returncode == 0, done.stderr
    for written, source in (
        (".github/workflows/build.yml", "examples/workflows/build.yml"),
        ("buildspec.yml", "buildspec-templates/build.yml"),
    ):
        assert (tmp_path / written).read_bytes() == (ROOT / source).read_bytes()
    assert _run(installed / "pipeline-kit", "-C", str(tmp_path), "plan", "--offline").returncode == 0


def test_the_installed_program_runs_without_extras(installed: Path) -> None:
    """Version, help and a whole offline plan work where nothing but the declared dependencies is."""
    assert _run(installed / "python", "-c", "import boto3").returncode != 0
    assert _run(installed / "pipeline-kit", "--version").stdout == f"pipeline-kit {__version__}\n"
    assert "Commands:" in _run(installed / "pipeline-kit", "--help").stdout
    done = _run(installed / "pipeline-kit", "-C", str(ROOT / "examples" / "shop"), "plan", "--offline", "--json")
    assert (done.returncode, list(json.loads(done.stdout)["images"])) == (0, ["base", "api", "web", "worker"])


def test_an_ecr_registry_without_the_extra_is_told_what_to_install(installed: Path, tmp_path: Path) -> None:
    """Without boto3 the message names the extra, and the exit code is that of a refused login."""
    (tmp_path / "Dockerfile").write_text("FROM scratch\nCOPY Dockerfile /\n", encoding="utf-8")
    (tmp_path / "pipeline-kit.yaml").write_text(
        "version: 1\nproject: shop\nregistry: 111122223333.dkr.ecr.eu-west-1.amazonaws.com\n"
        "images: {api: {context: .}}\n",
        encoding="utf-8",
    )
    done = _run(installed / "pipeline-kit", "-C", str(tmp_path), "build")
    assert (done.returncode, done.stdout) == (3, "")
    assert "boto3 is not installed" in done.stderr
    assert "pip install 'pipeline-kit[aws]'" in done.stderr


@pytest.mark.parametrize(
    "words", [["--version"], ["--help"], ["build", "--help"], ["ecs", "render", "--help"], ["init", "--help"]]
)
def test_help_and_version_load_nothing_heavy(words: list[str]) -> None:
    """They answer at once, because no client of anything is imported for them."""
    code = (
        "import atexit, json, sys\n"
        "from pipeline_kit.cli.entry import run\n"
        f"told = lambda: print(json.dumps([n for n in {_HEAVY!r} if n in sys.modules]), file=sys.stderr)\n"
        "atexit.register(told)\n"
        f"sys.argv = ['pipeline-kit', *{words!r}]\n"
        "run()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stderr.splitlines()[-1]) == []


def test_the_versions_that_tests_run_with_name_no_index() -> None:
    """constraints.txt is a plain list of name==version, so that any index serves, and has every direct dependency."""
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pinned = [line for line in lines if not line.startswith("#")]
    assert [line for line in pinned if not re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][A-Za-z0-9.+]*", line)] == []
    names = {re.sub(r"[-_.]+", "-", line.partition("==")[0]).lower() for line in pinned}
    direct = {re.split(r"[\[<>=; ]", text, maxsplit=1)[0].lower() for text in metadata.requires("pipeline-kit") or ()}
    assert direct <= names
