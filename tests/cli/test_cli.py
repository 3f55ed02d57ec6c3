from __future__ import annotations

import base64
import json
import os
import shutil
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from fakes.command_line import Ran, run
from fakes.fake_registry import FakeRegistry
from fakes.project_files import tags, write_files

if TYPE_CHECKING:
    from pathlib import Path

    from fakes.cli_shop import Shop

EXPIRED = (
    b'{"errors":[{"code":"DENIED","message":"Your authorization token has expired. Reauthenticate and try again."}]}'
)


def told(ran: Ran) -> list[str]:
    """Return the lines for people; every failure has one that begins with error, none is empty."""
    lines = ran.err.splitlines()
    assert ran.code == 0 or any(line.lower().startswith(("error", "usage")) for line in lines), ran.err
    return lines


def test_plan_of_an_empty_registry(shop: Shop) -> None:
    """The table people read: everything is to be built, in graph order."""
    shop.golden("plan-empty", shop.run("plan"))


def test_plan_with_everything_present(shop: Shop) -> None:
    """Nothing to do, and the number of requests it took to know."""
    shop.push()
    shop.golden("plan-present", shop.run("plan", "--detailed-exitcode"))


def test_plan_of_a_changed_file(shop: Shop) -> None:
    """The reason stands beside the image."""
    shop.push()
    (shop.root / "api/src/app.py").write_text("print(2)\n")
    shop.golden("plan-changed", shop.run("plan", "--detailed-exitcode"))


def test_plan_offline(shop: Shop) -> None:
    """Nothing is claimed that was not asked."""
    shop.golden("plan-offline", shop.run("plan", "--offline"))


def test_plan_json(shop: Shop) -> None:
    """The document scripts rely on."""
    shop.push("base", "web")
    shop.golden("plan-json", shop.run("plan", "--json"))


def test_tag(shop: Shop) -> None:
    """One line an image: name and reference; --json the same for scripts."""
    ran = shop.run("tag")
    shop.golden("tag", ran)
    expected = tags(shop.root)
    references = {name: f"{shop.registry.host}/shop/{name}:{tag}" for name, tag in expected.items()}
    assert dict(line.split(" ") for line in ran.out.splitlines()) == references
    document = shop.run("tag", "--json").json()
    assert document == {"images": {n: {"tag": expected[n], "reference": references[n]} for n in expected}}
    assert shop.run("tag", "web").out == f"web {references['web']}\n"
    assert shop.registry.log == []


def test_tag_of_an_image_upon_a_resolving_base(shop: Shop) -> None:
    """The image itself ignores bases; what it builds upon resolves one: its tag needs the network and is whole."""
    shop.write(
        {"base": {"context": "base"}, "api": {"context": "api", "contexts": {"base": "image:base"}, "bases": "ignore"}}
    )
    (shop.root / "base/Dockerfile").write_text(f"FROM {shop.registry.host}/python:3\nCOPY . /\n")
    shop.registry.put_image("python", "3")
    assert shop.run("tag", "api").out == f"api {shop.registry.host}/shop/api:{tags(shop.root)['api']}\n"


def test_config(shop: Shop) -> None:
    """The resolved configuration, defaults applied."""
    shop.golden("config", shop.run("config"))


def test_commands_find_the_configuration_from_below(shop: Shop) -> None:
    """From a directory in the project, by -C, and by --config."""
    expected = shop.run("tag").out
    assert run(shop.root / "api/src", "tag").out == expected
    assert run(shop.root.parent, "-C", str(shop.root), "tag").out == expected
    (shop.root / "pipeline-kit.yaml").rename(shop.root / "other.yaml")
    assert shop.run("--config", "other.yaml", "tag").out == expected


def test_options_from_the_environment(shop: Shop) -> None:
    """Every option has its variable."""
    assert shop.run("plan", env={"PIPELINE_KIT_PLAN_OFFLINE": "1"}).code == 0
    assert shop.registry.log == []


BAD_CONFIGS: dict[str, str] = {
    "several-problems": (
        "version: 1\nproject: shop\nregistry: registry.example\nimages:\n  api:\n    contxt: api\n"
        "    dockerfile: Nope\n    platforms: [linux/amd65]\n    args: {ON: on}\n  api: {context: web}\n"
    ),
    "cycle": (
        "version: 1\nproject: shop\nregistry: registry.example\nimages:\n"
        "  api: {context: api, contexts: {base: 'image:web'}}\n  web: {context: web, contexts: {x: 'image:api'}}\n"
    ),
    "outside": "version: 1\nproject: shop\nregistry: registry.example\nimages:\n  api: {context: ../../etc}\n",
    "missing-context": "version: 1\nproject: shop\nregistry: registry.example\nimages:\n  api: {context: nowhere}\n",
    "unknown-base": (
        "version: 1\nproject: shop\nregistry: registry.example\nimages:\n"
        "  api: {context: api, contexts: {base: 'image:bsae'}}\n  base: {context: base}\n"
    ),
    "not-yaml": "version: 1\nimages: [\n",
    "tab": "version: 1\nimages:\n\tapi: {}\n",
    "empty": "",
    "list": "- version\n",
    "hostile-tag": "version: 1\nproject: !!python/object/apply:os.system ['touch owned']\n",
    "hostile-aliases": "a: &a [x, x, x, x, x, x, x, x]\n"
    + "".join(f"{b}: &{b} [{', '.join([f'*{a}'] * 8)}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)),
    "hostile-depth": f"version: 1\nimages: {'[' * 5000}{']' * 5000}\n",
    "hostile-escape": 'version: 1\nproject: "\\e[2J\\e]0;title\\a::error::x"\nregistry: registry.example\nimages: {}\n',
}


@pytest.mark.parametrize("name", BAD_CONFIGS)
@pytest.mark.parametrize("command", ["plan", "config"])
def test_a_bad_configuration(shop: Shop, name: str, command: str) -> None:
    """Every problem at once, each with its place; nothing is asked or run; exit 2."""
    (shop.root / "pipeline-kit.yaml").write_text(BAD_CONFIGS[name])
    ran = shop.run(command)
    assert ran.code == 2
    assert ran.out == ""
    assert "\x1b" not in ran.err
    assert shop.registry.log == []
    assert not (shop.root / "owned").exists()
    shop.golden(f"config-{name}", ran)


def _bytes(shop: Shop, data: bytes) -> Ran:
    (shop.root / "pipeline-kit.yaml").write_bytes(data)
    return shop.run("plan")


@pytest.mark.parametrize(
    "data",
    [b"\xff\xfe\x00", b"version: 1\n\xff", b"\0", b"# x\n" * 600_000, b"version: 1 # \xe2\x80\xae\n"],
    ids=["utf-16", "not utf-8", "NUL", "2 MiB", "bidirectional"],
)
def test_bytes_that_are_no_configuration(shop: Shop, data: bytes) -> None:
    """Whatever lies there, exit 2 and a message."""
    ran = _bytes(shop, data)
    assert ran.code == 2
    assert told(ran)


def test_a_missing_configuration(tmp_path: Path, home: Path) -> None:
    """Says where it looked and what to write."""
    place = tmp_path / "empty"
    place.mkdir()
    ran = run(place, "plan")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err == (
        "error: no pipeline-kit.yaml in . or above it\n"
        "  next: pipeline-kit init writes one; or name it with --config FILE\n"
    )
    named = run(place, "--config", "nope.yaml", "plan")
    assert (named.code, named.err.splitlines()[0]) == (2, "error: nope.yaml: no such file")


def test_a_configuration_that_is_a_directory(shop: Shop) -> None:
    """It is not one."""
    (shop.root / "pipeline-kit.yaml").unlink()
    (shop.root / "pipeline-kit.yaml").mkdir()
    assert shop.run("plan").code == 2


@pytest.mark.parametrize("command", ["plan", "tag", "build"])
def test_an_unknown_image(shop: Shop, command: str) -> None:
    """The names there are."""
    ran = shop.run(command, "nope")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err == "error: there is no image 'nope'\n  next: images are: base, api, web\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ("nope",),
        ("plan", "--nope"),
        ("plan", "--format", "nope"),
        ("build", "--jobs", "0"),
        ("-C", "/no/where", "plan"),
    ],
)
def test_usage_errors(shop: Shop, arguments: tuple[str, ...]) -> None:
    """Exit 2 and a usage line."""
    ran = shop.run(*arguments)
    assert ran.code == 2
    assert "Usage:" in ran.err


@pytest.mark.parametrize("command", ["plan", "tag", "build"])
def test_a_missing_dockerfile(shop: Shop, command: str) -> None:
    """Named, with where it was asked for."""
    (shop.root / "web/Dockerfile").unlink()
    ran = shop.run(command)
    assert ran.code == 2
    assert "web/Dockerfile" in ran.err
    assert shop.registry.log == []


DOCKERFILES = {
    "unknown-instruction": "FROM scratch\nCOPPY . /\n",
    "no-from": "RUN true\n",
    "empty": "",
    "unterminated": "FROM scratch\nCOPY <<EOF /x\ntext\n",
    "bad-flag": "FROM scratch\nCOPY --form=x a /\n",
    "bad-reference": "FROM Not/A:Good:One\n",
    "unset-variable": "FROM $BASE\n",
    "binary": "FROM scratch\n\0\n",
}


@pytest.mark.parametrize("name", DOCKERFILES)
def test_a_broken_dockerfile(shop: Shop, name: str) -> None:
    """File and line, before anything is asked or built; exit 2."""
    (shop.root / "web/Dockerfile").write_text(DOCKERFILES[name])
    ran = shop.run("build")
    assert ran.code == 2
    assert shop.registry.log == []
    shop.golden(f"dockerfile-{name}", ran)


def test_a_bad_dockerignore(shop: Shop) -> None:
    """A pattern that BuildKit refuses is refused with file and line."""
    (shop.root / "web/.dockerignore").write_text("# ok\n[a-\n")
    ran = shop.run("plan")
    assert ran.code == 2
    assert "web/.dockerignore:2" in ran.err


def closed_port() -> str:
    """Return host:port where nothing listens."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{found.getsockname()[1]}"


@pytest.mark.parametrize("command", ["plan", "build"])
def test_a_registry_that_is_down(shop: Shop, command: str) -> None:
    """Exit 4: the verdict is unknown, so nothing is built."""
    host = closed_port()
    shop.write({"web": {"context": "web"}}, registry=host)
    ran = shop.run(command)
    assert ran.code == 4
    assert "Connection refused" in ran.err
    assert "  next: " in ran.err
    if command == "plan":
        assert "blocked" in ran.out


@pytest.mark.parametrize("command", ["plan", "build"])
def test_a_registry_that_fails(shop: Shop, command: str) -> None:
    """A 404 that is no registry's answer, on every image: not absent, not built."""
    shop.registry.add_rule(status=404, body=b"<html>nginx</html>", headers={"Content-Type": "text/html"})
    ran = shop.run(command)
    assert ran.code in (3, 4)
    assert "  next: " in ran.err
    assert not shop.registry.requests("PUT|POST|PATCH")


def logged_in(home: Path, host: str, user: str, password: str) -> None:
    """Write a Docker configuration with a login."""
    place = home / ".docker"
    place.mkdir(exist_ok=True)
    auth = base64.b64encode(f"{user}:{password}".encode()).decode()
    (place / "config.json").write_text(json.dumps({"auths": {host: {"auth": auth}}}))


@pytest.mark.parametrize("token", [False, True], ids=["Basic", "Bearer"])
@pytest.mark.parametrize("command", ["plan", "build"])
def test_a_wrong_password(shop: Shop, home: Path, command: str, *, token: bool) -> None:
    """Exit 3, how to log in, and the password stays where it is."""
    with FakeRegistry(users={"user": "right"}, token=token) as registry:
        shop.write(registry=registry.host)
        logged_in(home, registry.host, "user", "hunter2")
        ran = shop.run(command)
        assert ran.code == 3
        assert "pipeline-kit login" in ran.err
        assert "hunter2" not in ran.out + ran.err
        assert base64.b64encode(b"user:hunter2").decode() not in ran.out + ran.err
        assert not registry.requests("PUT|POST|PATCH", "/v2/")


def test_no_login_at_all(shop: Shop) -> None:
    """Exit 3 and how to log in."""
    with FakeRegistry(users={"user": "right"}) as registry:
        shop.write({"web": {"context": "web"}}, registry=registry.host)
        ran = shop.run("plan")
        assert ran.code == 3
        assert "log in" in ran.err


@pytest.mark.parametrize("command", ["plan", "build"])
def test_an_expired_token(shop: Shop, command: str) -> None:
    """ECR's own words are passed on, exit 3, and nothing is built on it."""
    shop.registry.add_rule(status=403, headers={"Content-Type": "application/json"}, body=EXPIRED)
    ran = shop.run(command)
    assert ran.code == 3
    assert "Your authorization token has expired" in ran.err
    assert "  next: " in ran.err
    assert not shop.registry.requests("PUT|POST|PATCH")
    shop.golden(f"expired-{command}", ran)


def test_a_repository_that_does_not_exist(shop: Shop) -> None:
    """On a registry that creates none, such as ECR, NAME_UNKNOWN is told and not taken for an absent tag."""
    with FakeRegistry(creates_repositories=False) as registry:
        shop.write(registry=registry.host)
        ran = shop.run("plan")
    # A plain registry answers so for every repository not pushed to yet: only ECR's hosts make it a refusal.
    assert ran.code == 0
    assert "absent" in ran.out


def test_no_git_binary(shop: Shop, tmp_path: Path) -> None:
    """Exit 5 inside a checkout; a directory without .git needs no git."""
    (tmp_path / "bin").mkdir()
    env = {"PATH": str(tmp_path / "bin")}
    ran = shop.run("plan", env=env)
    assert (ran.code, ran.out) == (5, "")
    assert "git" in told(ran)[0]
    assert "  next: " in ran.err
    shutil.rmtree(shop.root / ".git")
    assert shop.run("plan", env=env).code == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a checkout away")
def test_dubious_ownership(shop: Shop) -> None:
    """Exit 5 with git's own remedy, spelled out for this directory."""
    for path in [shop.root, *shop.root.rglob("*")]:
        os.lchown(path, 12345, 12345)
    ran = shop.run("plan")
    assert (ran.code, ran.out) == (5, "")
    assert "safe.directory" in ran.err
    assert str(shop.root) in ran.err
    assert shop.registry.log == []


def in_namespace(shop: Shop, mounts: str, *arguments: str) -> Ran:
    """Run pipeline-kit behind private mounts, or skip where the kernel allows none."""
    script = f'set -e; {mounts}; exec "$@"'
    command = ["unshare", "--map-root-user", "--mount", "sh", "-c", script, "sh", sys.executable, "-m", "pipeline_kit"]
    if subprocess.run([*command[:5], "true"], check=False, capture_output=True).returncode:
        pytest.skip("no user namespaces here")
    ended = subprocess.run(
        [*command, *arguments], cwd=shop.root, check=False, capture_output=True, text=True, timeout=60
    )
    assert "Traceback" not in ended.stderr, ended.stderr
    return Ran(ended.returncode, ended.stdout, ended.stderr)


@pytest.mark.parametrize("command", [("plan",), ("tag",), ("config",), ("build",)])
def test_a_read_only_checkout_works(shop: Shop, command: tuple[str, ...]) -> None:
    """Nothing is written into the checkout, so it may be read-only."""
    shop.push()
    mounts = (
        f"mount --bind {shop.root} {shop.root}; mount -o remount,bind,ro {shop.root}; cd {shop.root}; ! touch x 2>&-"
    )
    ran = in_namespace(shop, mounts, *command)
    assert ran.code == 0, ran.err
    assert ran.out


@pytest.mark.parametrize("option", ["--report", "--task-definitions"])
def test_a_full_disk_while_writing_a_report(shop: Shop, tmp_path: Path, option: str) -> None:
    """The work is done and told on stdout; the message names the file; exit 1; no half file is left."""
    definition = {"family": "x", "containerDefinitions": [{"name": "web", "image": "x", "environment": []}]}
    ecs = {"prod": {"cluster": "c", "services": {"web": {"task_definition": "td.json", "containers": {"web": "web"}}}}}
    write_files(shop.root, {"td.json": json.dumps(definition)})
    shop.write(deploy={"ecs": ecs})
    shop.push()
    disk = tmp_path / "disk"
    disk.mkdir()
    target = disk / ("report.json" if option == "--report" else "out")
    mount = f"mount -t tmpfs -o size=64k,nr_inodes=4 none {disk}"
    fill = f"{mount}; dd if=/dev/zero of={disk}/fill bs=1k count=128 2>&- || true"
    ran = in_namespace(shop, fill, "build", option, str(target))
    assert ran.code == 1
    assert "No space left on device" in ran.err
    assert str(target) in ran.err
    assert [line.split(" ")[2] for line in ran.out.splitlines()] == ["skipped"] * 3


def test_a_report_that_cannot_be_written(shop: Shop) -> None:
    """As on a full disk: the product is on stdout, the exit code tells, and the report's place is named."""
    shop.push()
    ran = shop.run("build", "--report", "/dev/full")
    assert ran.code == 1
    assert "'/dev/full'" in ran.err
    assert len(ran.out.splitlines()) == 3


def test_a_report_without_its_directory_is_refused_first(shop: Shop) -> None:
    """What can be known before the work is said before it."""
    ran = shop.run("build", "--report", "no/such/directory/report.json")
    assert (ran.code, ran.out) == (1, "")
    assert "no/such/directory" in ran.err
    assert "  next: " in ran.err
    assert shop.registry.log == []


def test_a_build_with_nothing_to_do(shop: Shop) -> None:
    """No engine is needed, three requests are sent, and the report tells it all."""
    shop.push()
    ran = shop.run("build", "--report", str(shop.root.parent / "report.json"), env={"DOCKER_HOST": "unix:///nowhere"})
    shop.golden("build-nothing", ran)
    report = json.loads((shop.root.parent / "report.json").read_text())
    assert {image["status"] for image in report["images"].values()} == {"skipped"}
    assert len(shop.registry.log) == 3
    document = shop.run("build", "--json").json()
    assert document["exit_code"] == 0
    assert set(document["images"]) == {"base", "api", "web"}


def test_a_missing_engine(shop: Shop, tmp_path: Path) -> None:
    """Exit 4 and what to do, when there is something to build and nothing to build it with."""
    (tmp_path / "bin").mkdir()
    git = shutil.which("git")
    assert git
    (tmp_path / "bin/git").symlink_to(git)
    env = {"DOCKER_HOST": f"unix://{tmp_path}/nowhere.sock", "PATH": str(tmp_path / "bin")}
    ran = shop.run("build", env=env)
    assert ran.code == 4
    assert "  next: " in ran.err
    assert ran.out == ""
    assert not shop.registry.requests("PUT|POST|PATCH")


def test_dry_run_is_plan(shop: Shop) -> None:
    """Word for word."""
    assert shop.run("build", "--dry-run", "--json").out == shop.run("plan", "--json").out
    assert shop.run("build", "--dry-run", "web", "--force").out == shop.run("plan", "web", "--force").out


def test_a_saved_plan_that_still_holds(shop: Shop) -> None:
    """It is carried out for exactly the images in it, whatever else there is."""
    shop.push("web")
    saved = str(shop.root.parent / "plan.json")
    assert shop.run("plan", "web", "--out", saved).code == 0
    ran = shop.run("build", "--plan", saved)
    assert ran.code == 0
    assert [line.split(" ")[0] for line in ran.out.splitlines()] == ["web"]


def test_a_saved_plan_that_no_longer_holds(shop: Shop) -> None:
    """Exit 6 and what moved; nothing is built."""
    saved = str(shop.root.parent / "plan.json")
    assert shop.run("plan", "--out", saved).code == 0
    (shop.root / "web/new").write_text("x")
    shop.push("base")
    shop.registry.log.clear()
    ran = shop.run("build", "--plan", saved)
    assert (ran.code, ran.out) == (6, "")
    assert "web: its inputs changed" in ran.err
    assert "base: the registry moved (planned build, now skip)" in ran.err
    assert not shop.registry.requests("PUT|POST|PATCH")


@pytest.mark.parametrize("content", [None, "", "{}", "not json"])
def test_a_saved_plan_that_is_none(shop: Shop, content: str | None) -> None:
    """Exit 2 and its name."""
    if content is not None:
        (shop.root.parent / "plan.json").write_text(content)
    ran = shop.run("build", "--plan", "../plan.json")
    assert ran.code == 2
    assert "plan.json" in ran.err


COMMANDS = [("plan", "--offline"), ("plan", "--json", "--offline"), ("tag",), ("config",), ("config", "--schema")]


@pytest.mark.parametrize("command", COMMANDS)
def test_stdout_closed(shop: Shop, command: tuple[str, ...]) -> None:
    """A reader that has gone: exit as a shell expects, no word about it. No stdout at all: one message, exit 1."""
    reading, writing = os.pipe()
    os.close(reading)
    try:
        gone = shop.run(*command, stdout=writing)
    finally:
        os.close(writing)
    assert gone.code in (141, -13)
    assert "error" not in gone.err
    with open("/dev/full", "w") as full:  # noqa: PTH123 - a device
        ran = shop.run(*command, stdout=full)
    assert ran.code == 1
    assert ran.err.startswith("error: cannot write to standard output: No space left on device")
    script = 'exec "$@" >&-'
    ended = subprocess.run(
        ["sh", "-c", script, "sh", sys.executable, "-m", "pipeline_kit", *command],
        cwd=shop.root,
        check=False,
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 1
    assert ended.stderr.startswith("error: standard output is closed\n")


@pytest.mark.parametrize("redirection", ["2>&-", "2>/dev/full"])
def test_stderr_that_takes_nothing(shop: Shop, redirection: str) -> None:
    """What is for people does not end up in the product, and its loss stops no work."""
    expected = shop.run("plan", "--offline", "--json").out
    ended = subprocess.run(
        [
            "sh",
            "-c",
            f'exec "$@" {redirection}',
            "sh",
            sys.executable,
            "-m",
            "pipeline_kit",
            "plan",
            "--offline",
            "--json",
        ],
        cwd=shop.root,
        check=False,
        capture_output=True,
        text=True,
    )
    assert ended.stdout == expected
    assert ended.returncode in (0, 1)


@pytest.mark.parametrize(
    "locale",
    [{"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}, {"LC_ALL": "C"}, {"PYTHONIOENCODING": "ascii"}],
)
def test_names_beyond_ascii_in_a_plain_locale(shop: Shop, locale: dict[str, str]) -> None:
    """LANG=C and odd file names: the same tags, and reasons that can be printed."""
    expected = shop.run("tag").out
    assert shop.run("tag", env=locale).out == expected
    (shop.root / "web/grüße 名前").write_text("x")
    (shop.root / "web" / os.fsdecode(b"latin-\xe4")).write_text("x")
    (shop.root / "web/esc\x1b[31m\nline").write_text("x")
    changed = shop.run("tag").out
    assert shop.run("tag", env=locale).out == changed != expected
    ran = shop.run("plan", env=locale)
    assert ran.code == 0
    assert "web" in ran.out
    assert "\x1b" not in ran.out
    json.loads(shop.run("plan", "--json", env=locale).out)


def test_context_names_beyond_ascii(shop: Shop) -> None:
    """A directory with an umlaut is found in every locale."""
    (shop.root / "web").rename(shop.root / "wéb")
    shop.write({"web": {"context": "wéb"}})
    expected = shop.run("tag")
    assert expected.code == 0
    locale = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    assert shop.run("tag", env=locale).out == expected.out


def test_github_gets_annotations(shop: Shop) -> None:
    """In GitHub's log an error in the configuration stands at its line."""
    (shop.root / "pipeline-kit.yaml").write_text(
        "version: 1\nproject: shop\nregistry: r.example\nimages:\n  a: {contxt: x}\n"
    )
    ran = shop.run("plan", env={"GITHUB_ACTIONS": "true"})
    assert ran.code == 2
    assert any(line.startswith("::error ") and "line=5" in line for line in ran.err.splitlines())


def test_a_bare_repository_as_context_runs_nothing(shop: Shop) -> None:
    """A context that looks like a bare repository, with a program in its configuration, is only files."""
    owned = shop.root.parent / "owned"
    write_files(
        shop.root,
        {
            "web/HEAD": "ref: refs/heads/main\n",
            "web/config": f'[core]\n\tbare = true\n\tfsmonitor = "touch {owned}"\n',
            "web/objects/x": "",
            "web/refs/x": "",
        },
    )
    assert run(shop.root / "web", "plan").code == 0
    assert shop.run("tag", "web").code == 0
    assert not owned.exists()


def test_version_is_quick_and_alone() -> None:
    """--version imports none of the heavy libraries."""
    code = """
import sys
sys.argv = ["pipeline-kit", "--version"]
from pipeline_kit.cli.entry import run
try:
    run()
finally:
    heavy = {"docker", "git", "boto3", "urllib3", "yaml", "tenacity", "requests", "click"} & set(sys.modules)
    assert not heavy, heavy
"""
    ended = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.startswith("pipeline-kit ")


def test_help_names_every_command(shop: Shop) -> None:
    """And each command has its own."""
    listed = shop.run("--help")
    assert listed.code == 0
    for command in ("build", "plan", "tag", "config", "ecs", "lock", "explain"):
        assert command in listed.out
        assert shop.run(command, "--help").code == 0
