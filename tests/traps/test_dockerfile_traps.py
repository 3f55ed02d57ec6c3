"""The Dockerfile and BuildKit side of the traps table: one test a row, named after the row, saying what is right."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tarfile
import tempfile
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import stack_programs
from fakes.command_line import run
from fakes.fake_registry import FakeRegistry, digest_of
from fakes.fake_registry_answers import to_json
from fakes.project_files import WHOLE, config_text, environment
from fakes.trap_scene import StoringBuilder

from pipeline_kit.adapters.registry import hints
from pipeline_kit.app.session import open_session
from pipeline_kit.app.tagging import compute_tags
from pipeline_kit.content_tag import KEY_LABEL
from pipeline_kit.errors import ConfigError, DockerfileError, RegistryRefused
from pipeline_kit.manifest import OCI_INDEX, OCI_MANIFEST
from pipeline_kit.plan import Action, Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fakes.trap_scene import TrapScene

ROWS = {
    "`<Dockerfile>.dockerignore`": "test_dockerfile_dockerignore",
    "Dockerfile ignored by .dockerignore": "test_dockerfile_ignored_by_dockerignore",
    "Dockerfile outside context, `-f -`, remote context (git URL/tar)": "test_dockerfile_outside_and_remote_context",
    "FROM by tag": "test_from_by_tag",
    "ARG in FROM": "test_arg_in_from",
    "COPY --from=<image>, --from=<index>, RUN --mount=from=": "test_copy_from_and_mount_from",
    "RUN --mount=type=bind (no COPY)": "test_bind_mount_without_copy",
    "ONBUILD in base": "test_onbuild_in_base",
    "ADD https://…, ADD git@…": "test_remote_add",
    "RUN apt-get/curl": "test_run_that_downloads",
    "heredocs (RUN/COPY <<EOF)": "test_heredocs",
    "undeclared --build-arg": "test_undeclared_build_arg",
    "secrets/ssh": "test_secrets_and_ssh",
    "`# syntax=`, `# escape=`, `# check=`": "test_parser_directives",
    "--build-context name=path/docker-image/target": "test_build_context",
    "--target, unused stages": "test_target_and_unused_stages",
    "--platform list": "test_platform_list",
    "bake: inherits, matrix, variables, HCL env": "test_bake",
    "COPY --link/--chmod/--chown/--exclude/--parents, globs": "test_copy_flags_and_globs",
    "hardlinks, FIFO, sockets, devices, setuid, uid": "test_special_files",
    "mtime": "test_mtime",
    "attestations": "test_attestations",
    "retag through `docker pull/tag/push` or `imagetools create`": "test_retag",
    "tag present, manifest children/blobs gone (GC, lifecycle)": "test_children_and_blobs_gone",
    "pull-through/mirror caches": "test_pull_through_and_mirrors",
    "ECR specifics": "test_ecr_specifics",
}


def test_every_row_has_its_test() -> None:
    """The table and this file name the same traps, no more and no less, each with its right behaviour."""
    tests = {name: value for name, value in globals().items() if name.startswith("test_")}
    del tests["test_every_row_has_its_test"]
    assert sorted(tests) == sorted(ROWS.values())
    assert all(test.__doc__ for test in tests.values())


def test_dockerfile_dockerignore(scene: TrapScene) -> None:
    """It wins over .dockerignore, beside a Dockerfile outside the context as well, and counts by its effect only."""
    scene.image(dockerfile="../docker/api.Dockerfile")
    scene.write({"docker/api.Dockerfile": WHOLE, "docker/api.Dockerfile.dockerignore": "lib\n.dockerignore\n"})
    before = scene.tag()
    scene.write({"app/.dockerignore": "a.txt\n", "app/lib/b.txt": "ignored by the winner\n"})
    assert scene.tag() == before
    scene.write({"docker/api.Dockerfile.dockerignore": "# why\n.dockerignore\nlib/**\n/lib\n"})
    assert scene.tag() == before
    scene.write({"app/a.txt": "ignored by the loser only\n"})
    assert scene.tag() != before


def test_dockerfile_ignored_by_dockerignore(scene: TrapScene) -> None:
    """A Dockerfile that is not sent is still what is built: it stays an input."""
    scene.write({"app/.dockerignore": "Dockerfile\n.dockerignore\n"})
    before = scene.tag()
    scene.image(f"{WHOLE}USER 1\n")
    assert scene.tag() != before
    assert "Dockerfile" not in _files(scene)


def test_dockerfile_outside_and_remote_context(scene: TrapScene) -> None:
    """The Dockerfile's bytes count wherever it lies; standard input and remote contexts are refused, never skipped."""
    scene.image(dockerfile="../docker/api.Dockerfile")
    scene.write({"docker/api.Dockerfile": WHOLE})
    before = scene.tag()
    scene.write({"docker/other": "in no context"})
    assert scene.tag() == before
    scene.write({"docker/api.Dockerfile": f"{WHOLE}USER 1\n"})
    assert scene.tag() != before
    for members in (
        {"context": "https://example.com/shop.git"},
        {"context": "git@example.com:shop.git"},
        {"context": "https://example.com/context.tar.gz"},
        {"dockerfile": "-"},
    ):
        scene.image(**members)
        with pytest.raises((ConfigError, DockerfileError)) as caught:
            scene.tag()
        assert caught.value.exit_code == 2


def test_from_by_tag(scene: TrapScene) -> None:
    """The index's digest counts, not a platform's; a pinned image, a stage of any case and scratch are not asked."""
    registry = scene.registry
    old = registry.put_image("python", "3.12", ("linux/amd64", "linux/arm64"))
    scene.image(f"FROM {registry.host}/python:3.12\nCOPY . /\n")
    first = scene.keyed()
    assert first.inputs is not None
    assert set(first.inputs.bases.values()) == {old.digest}
    document = json.loads(registry.manifests["python"][old.digest][1])
    document["manifests"].pop()  # what linux/amd64 gets is as before
    registry.put_manifest("python", "3.12", OCI_INDEX, to_json(document))
    assert scene.tag() != first.tag
    registry.log.clear()
    scene.image(
        f"FROM scratch AS Base\nFROM BASE\nFROM base\nCOPY --from=bAsE a /\nFROM {registry.host}/python@{old.digest}\n"
    )
    assert scene.keyed().tag
    assert registry.requests("HEAD") == []


def test_arg_in_from(scene: TrapScene) -> None:
    """Only the global scope counts, with defaults, :-, :+, build arguments and TARGET*; no value is an error."""
    registry = scene.registry
    digests = {tag: registry.put_image("py", tag, content=tag).digest for tag in ("3", "4", "3-slim", "amd64")}

    def base(dockerfile: str, **args: str) -> str:
        scene.image(f"ARG HOST={registry.host}\n{dockerfile}", args=args)
        inputs = scene.keyed().inputs
        assert inputs is not None
        return next(iter(inputs.bases.values()))

    assert base("ARG V=3\nFROM ${HOST}/py:$V\n") == digests["3"]
    assert base("ARG V=3\nFROM ${HOST}/py:$V\n", V="4") == digests["4"]
    assert base("FROM ${HOST}/py:${V:-3}\n") == digests["3"]
    assert base("FROM ${HOST}/py:${V:-3}\n", V="4") == digests["3"]
    assert base("ARG S=yes\nFROM ${HOST}/py:3${S:+-slim}\n") == digests["3-slim"]
    assert base("ARG S=yes\nFROM ${HOST}/py:3${S:+-slim}\n", S="") == digests["3"]
    assert base("FROM scratch AS x\nARG V=4\nFROM ${HOST}/py:${V:-3}\n") == digests["3"]
    assert base("FROM ${HOST}/py:$TARGETARCH\n") == digests["amd64"]
    for unknown in ("FROM $NOWHERE\n", "ARG V\nFROM ${HOST}/py:$V\n", "FROM scratch\nARG B=x\nFROM $B\n"):
        with pytest.raises(DockerfileError, match=r"app/Dockerfile:\d: ") as caught:
            base(unknown)
        assert caught.value.exit_code == 2


@pytest.mark.parametrize("line", ["COPY --from={0} /x /", "RUN --mount=from={0},target=/t true"])
def test_copy_from_and_mount_from(scene: TrapScene, line: str) -> None:
    """An image named there counts like one in FROM; a stage, by name or number, is no image."""
    registry = scene.registry
    registry.put_image("tools", "1")
    scene.image(f"FROM scratch\n{line.format(f'{registry.host}/tools:1')}\n")
    before = scene.tag()
    registry.put_image("tools", "1", content="security fix")
    assert scene.tag() != before
    registry.log.clear()
    for stage in ("0", "made"):
        scene.image(f"FROM scratch AS made\nCOPY lib /x\nFROM scratch\n{line.format(stage)}\n")
        through = scene.tag()
        scene.write({"app/lib/b.txt": f"read through stage {stage}\n"})
        assert scene.tag() != through
    assert registry.requests() == []


def test_bind_mount_without_copy(scene: TrapScene) -> None:
    """Files that a step mounts are inputs though no COPY names them; others are not."""
    scene.image("FROM scratch\nRUN --mount=type=bind,source=lib,target=/src make\n")
    before = scene.tag()
    scene.write({"app/a.txt": "not mounted\n"})
    assert scene.tag() == before
    scene.write({"app/lib/b.txt": "mounted\n"})
    mounted = scene.tag()
    assert mounted != before
    scene.image("FROM scratch\nRUN --mount=type=bind,target=/src make\n")
    before = scene.tag()
    scene.write({"app/a.txt": "mounted with everything\n"})
    assert scene.tag() != before


def test_onbuild_in_base(scene: TrapScene) -> None:
    """Triggers of a base may copy any file: then all count, explain says why; a base without any narrows."""
    registry = scene.registry
    dockerfile = f"FROM {registry.host}/builder:1\nCOPY a.txt /\n"
    scene.image(dockerfile)
    _put_with_config(registry, "builder", "1", {"OnBuild": ["COPY lib /lib"]})
    loud = scene.keyed()
    assert "ONBUILD" in loud.because
    scene.write({"app/lib/b.txt": "copied by the trigger\n"})
    assert scene.tag() != loud.tag
    _put_with_config(registry, "builder", "1", {"OnBuild": None})
    quiet = scene.keyed()
    assert quiet.because == ""
    scene.write({"app/lib/b.txt": "copied by nobody\n"})
    assert scene.tag() == quiet.tag


def test_remote_add(scene: TrapScene) -> None:
    """A checksum or a commit pins what is fetched; without one the plan says that its content is not in the tag."""
    pinned = f"--checksum=sha256:{'1' * 64} https://example.com/a.tar"
    commit = f"https://github.com/shop/lib.git#{'2' * 40}"
    scene.image(f"FROM scratch\nADD {pinned} /\nADD {commit} /lib\n")
    before = scene.tag()
    assert not [reason for reason in scene.plan().reasons if "ADD" in reason]
    scene.image(f"FROM scratch\nADD {pinned.replace('1', '3')} /\nADD {commit} /lib\n")
    assert scene.tag() != before
    loose = ("https://example.com/a.tar", "https://github.com/shop/lib.git#main", "git@github.com:shop/lib.git")
    scene.image("FROM scratch\n" + "".join(f"ADD {url} /x/\n" for url in loose))
    told = [reason for reason in scene.plan().reasons if "ADD" in reason]
    assert told == [
        f"app/Dockerfile:{line}: ADD {url} has no checksum: its content is not in the tag"
        for line, url in enumerate(loose, 2)
    ]


def test_run_that_downloads(scene: TrapScene) -> None:
    """What a step fetches is hidden from every key: max_age makes the tag new each period, and the plan shows it."""
    scene.image(f"{WHOLE}RUN apt-get update\n", max_age="7d")
    day, start = 86400, 1_700_000_000.0

    def at(now: float) -> str | None:
        with open_session(scene.root, None, environment()) as session:
            around = session.around._replace(now=now)
            return compute_tags(session.project, ("api",), around, None).keyed["api"].tag

    assert at(start) == at(start + 1)
    assert len({at(start + week * 7 * day) for week in range(4)}) == 4
    assert len({at(start + hours * 3600) for hours in range(0, 7 * 24, 6)}) == 2
    assert "max_age = 604800s period" in run(scene.root, "explain", "api").out
    for age, shown in {"7d": "7d", "2w": "14d", "36h": "36h", "90m": "90m", "3601s": "3601s"}.items():
        scene.image(max_age=age)
        assert f"max_age: a new tag every {shown}" in scene.plan().reasons


def test_heredocs(scene: TrapScene) -> None:
    """A here-document is part of the Dockerfile: its text and the arguments in it count, and it reads no file."""
    text = "FROM scratch\nARG WHO=world\nCOPY <<EOF /hello\nCOPY lib /never\nhello $WHO\nEOF\nRUN <<EOF\ntrue\nEOF\n"
    scene.image(text)
    before = scene.tag()
    scene.write({"app/lib/b.txt": "not read\n"})
    assert scene.tag() == before
    scene.image(text, args={"WHO": "moon"})
    moon = scene.tag()
    scene.image(text.replace("hello $", "bye $"))
    assert len({before, moon, scene.tag()}) == 3


def test_undeclared_build_arg(scene: TrapScene) -> None:
    """An argument counts where a reachable ARG or the frontend sees it; others, and proxies, change no image."""
    dockerfile = (
        "ARG TOP\nFROM scratch AS idle\nARG IDLE\nLABEL l=$IDLE\nFROM scratch\nARG USED\nLABEL l=$USED\nCOPY a.txt /\n"
    )

    def given(**args: str) -> str:
        scene.image(dockerfile, args=args)
        return scene.tag()

    plain = given()
    assert given(OTHER="1") == plain
    assert given(IDLE="1") == plain
    assert given(HTTP_PROXY="http://127.0.0.1:1", no_proxy="x") == plain
    assert given(USED="1") != given(USED="2") != plain
    assert given(SOURCE_DATE_EPOCH="0") != plain
    assert given(BUILDKIT_CONTEXT_KEEP_GIT_DIR="1") != plain
    dockerfile = dockerfile.replace("ARG USED", "ARG USED=$HTTP_PROXY\nARG HTTP_PROXY")
    assert given(HTTP_PROXY="http://127.0.0.1:1") != given(HTTP_PROXY="http://127.0.0.1:2")


def test_secrets_and_ssh(scene: TrapScene) -> None:
    """Ids are in the key, values never, neither plain nor hashed, nor where they come from."""
    scene.image()
    plain = scene.tag()
    scene.image(secrets={"npm": {"env": "NPM_TOKEN"}})
    one = scene.tag(NPM_TOKEN="hunter2")
    assert one == scene.tag(NPM_TOKEN="other") == scene.tag()
    scene.write({"token": "hunter2"})
    scene.image(secrets={"npm": {"file": "token"}})
    assert scene.tag() == one
    scene.write({"token": "other"})
    assert scene.tag() == one
    shown = run(scene.root, "explain", "--json", "api").out
    assert '"npm"' in shown
    assert "other" not in shown
    scene.image(ssh=["default"])
    ssh = scene.tag()
    scene.image("FROM scratch\nRUN --mount=type=ssh true\nCOPY . /\n")
    assert len({plain, one, ssh, scene.tag()}) == 4


def test_parser_directives(scene: TrapScene) -> None:
    """The frontend's digest counts; escape is read before lines are joined, after a BOM and with CRLF as well."""
    registry = scene.registry
    registry.put_image("docker/dockerfile", "1")
    syntax = f"# syntax={registry.host}/docker/dockerfile:1\n"
    scene.image(f"{syntax}{WHOLE}")
    before = scene.tag()
    registry.put_image("docker/dockerfile", "1", content="other")
    moved = scene.tag()
    assert moved != before
    scene.image(f"# check=skip=all\n{syntax}{WHOLE}")
    assert scene.tag() not in (before, moved)
    continued = "# escape=`\nFROM scratch\nCOPY `\n  a.txt `\n  /x\\\nCOPY run.sh /\n"
    for text in (continued.encode(), b"\xef\xbb\xbf" + continued.encode(), continued.replace("\n", "\r\n").encode()):
        scene.image(text)
        assert _files(scene) == {"a.txt", "run.sh"}
    scene.image(continued.replace("# escape", "#\n# escape"))  # now it is a comment, and `COPY `` lacks a destination
    with pytest.raises(DockerfileError, match=r"app/Dockerfile:\d: "):
        scene.tag()


def test_build_context(scene: TrapScene) -> None:
    """A directory counts with its own ignore file, an image by digest; either beats a stage and an image in FROM."""
    registry = scene.registry
    scene.write({"web/index.html": "<p>\n", "web/.dockerignore": "*.log\n", "app/.dockerignore": "*.html\n"})
    scene.image("FROM scratch AS web\nCOPY lib /\nFROM scratch\nCOPY --from=web / /\n", contexts={"web": "web"})
    before = scene.tag()
    scene.write({"web/debug.log": "ignored there\n", "app/lib/b.txt": "of the stage that is overridden\n"})
    assert scene.tag() == before
    scene.write({"web/index.html": "<b>\n"})
    assert scene.tag() != before
    registry.put_image("mine", "1")
    context = {"busybox": f"docker-image://{registry.host}/mine:1"}
    scene.image("FROM docker.io/library/busybox:latest\nCOPY . /\n", contexts=context)
    before = scene.tag()
    registry.put_image("mine", "1", content="other")
    assert scene.tag() != before
    assert {item.path.split("/")[2] for item in registry.requests("HEAD")} == {"mine"}


def test_target_and_unused_stages(scene: TrapScene) -> None:
    """Two targets of one Dockerfile have two tags; a stage that is not reached adds neither files nor bases."""
    dockerfile = f"FROM {scene.registry.host}/gone:1 AS test\nCOPY lib /\nFROM scratch AS app\nCOPY a.txt /\n"
    scene.image(f"{dockerfile}FROM app AS other\n", target="app")
    before = scene.tag()
    scene.write({"app/lib/b.txt": "of a stage that is not built\n"})
    assert scene.tag() == before
    assert scene.registry.requests() == []
    scene.image(f"{dockerfile}FROM app AS other\n", target="other")
    assert scene.tag() != before
    scene.image(f"{dockerfile}FROM app AS other\n", target="test")
    with pytest.raises(RegistryRefused, match=r"base image .*gone:1 of api does not exist"):
        scene.tag()


def test_platform_list(scene: TrapScene) -> None:
    """The set of platforms is in the key, and an index that lacks one is completed; BUILDPLATFORM asks by index."""
    registry = scene.registry
    index = registry.put_image("go", "1", ("linux/amd64", "linux/arm64")).digest
    dockerfile = f"FROM --platform=$BUILDPLATFORM {registry.host}/go:1 AS made\nFROM scratch\nCOPY --from=made /x /\n"
    both = ["linux/amd64", "linux/arm64"]
    scene.image(dockerfile, platforms=both)
    keyed = scene.keyed()
    assert keyed.inputs is not None
    assert set(keyed.inputs.bases.values()) == {index}
    assert [item.method for item in registry.requests("HEAD")] == ["HEAD"]
    scene.image(dockerfile, platforms=both[::-1])
    assert scene.tag() == keyed.tag
    registry.put_image("shop/api", keyed.tag, ("linux/amd64",), index=True)
    planned = scene.plan()
    assert (planned.action, planned.missing_platforms) == (Action.COMPLETE, ("linux/arm64",))
    scene.image(dockerfile, platforms=both[:1])
    assert scene.tag() != keyed.tag


def test_bake(scene: TrapScene) -> None:
    """Bake resolves its own file; where it cannot, no image is keyed from unresolved inherits, matrix or variables."""
    scene.write({"docker-bake.hcl": 'target "api" {\n  context = nothing\n}\n'})
    images = {"api": {"context": "app"}}
    text = config_text(images, registry=scene.registry.host, imports=["docker-bake.hcl"])
    scene.write({"pipeline-kit.yaml": text})
    ran = run(scene.root, "tag", env={"DOCKER_CONFIG": str(stack_programs.docker_config())})
    assert (ran.code, ran.out) == (2, "")
    assert "docker-bake.hcl:2:13: bake refuses it" in ran.err


def test_copy_flags_and_globs(scene: TrapScene) -> None:
    """Flags count as bytes of the line; a glob's files are all there, also those of --parents and --exclude."""
    found = set()
    for flags in ("", "--link ", "--chmod=600 ", "--chown=1:1 "):
        scene.image(f"FROM scratch\nCOPY {flags}a.txt /\n")
        found.add(scene.tag())
    assert len(found) == 4
    scene.write({"app/lib/deep/c.txt": "three\n", "app/lib/deep/d.md": "four\n"})
    for line, expected in {
        "COPY *.txt /": {"a.txt"},
        "COPY l*b /x/": {"lib/b.txt", "lib/deep/c.txt", "lib/deep/d.md"},
        "COPY [a-b].?xt run.* /x/": {"a.txt", "run.sh"},
        "COPY --parents lib/**/*.txt /": {"lib/b.txt", "lib/deep/c.txt"},
        "COPY --exclude=*.md lib /": {"lib/b.txt", "lib/deep/c.txt"},
    }.items():
        scene.image(f"# syntax=docker/dockerfile:1\nFROM scratch\n{line}\n", bases="ignore")
        assert _files(scene) >= expected, line
        assert "run.sh" in expected or "run.sh" not in _files(scene), line


AS_NOBODY = """
import os, pathlib, sys
import pipeline_kit.adapters.ci, pipeline_kit.adapters.git.worktree, pipeline_kit.adapters.registry.client
import pipeline_kit.app.api, pipeline_kit.config, yaml
from pipeline_kit.errors import UnreadableFile
if os.geteuid() == 0:
    os.setuid(65534)
try:
    pipeline_kit.content_tags(pathlib.Path(sys.argv[1]), environ={})
except UnreadableFile as error:
    print(error.exit_code, error.message)
"""


@pytest.mark.engine
@pytest.mark.xdist_group("engine")
def test_special_files(scene: TrapScene, engine_env: dict[str, str]) -> None:
    """FIFOs and sockets count by kind and are never opened; an unreadable file is an error; owners do not count."""
    found = [scene.tag()]
    os.mkfifo(scene.app / "fifo")
    found.append(scene.tag())
    with closing(socket.socket(socket.AF_UNIX)) as listening:
        listening.bind(str(scene.app / "socket"))
    found.append(scene.tag())
    assert len(set(found)) == 3
    (scene.app / "fifo").rename(scene.app / "pipe")
    assert scene.tag() not in found
    assert scene.tag() == scene.tag_without_git()
    os.link(scene.app / "a.txt", scene.app / "hard")
    with_link = scene.tag()
    (scene.app / "hard").unlink()
    shutil.copy(scene.app / "a.txt", scene.app / "hard")
    assert scene.tag() == with_link
    (scene.app / "hard").unlink()
    os.link(scene.app / "a.txt", scene.app / "hard")
    (scene.app / "run.sh").chmod(0o4755)
    if os.geteuid() == 0:
        os.chown(scene.app / "run.sh", 1234, 1234)
        (scene.app / "run.sh").chmod(0o4755)
    assert scene.tag() == with_link
    told = scene.doctor()
    assert told["special-file"] == {"app/pipe", "app/socket"}
    assert "app/run.sh" in told["mode-differs"]
    members = _export(scene.app, engine_env)
    assert members["pipe"].isfifo()
    assert (members["socket"].isreg(), members["socket"].size) == (True, 0)
    assert {members["a.txt"].islnk(), members["hard"].islnk()} == {True, False}
    assert (members["run.sh"].mode, members["run.sh"].uid) == (0o4755, 0)
    assert _tag_as_nobody(scene.app / "lib") == "5 cannot read app/b.txt: Permission denied\n"


@pytest.mark.engine
@pytest.mark.xdist_group("engine")
def test_mtime(scene: TrapScene, engine_env: dict[str, str]) -> None:
    """Times are in the layer and not in the key: images of equal content are told by key, never by digest."""
    before, first = scene.tag(), _export(scene.app, engine_env)
    for path in (scene.app / "a.txt", scene.app / "lib"):
        os.utime(path, (1_600_000_000, 1_600_000_000))
    assert scene.tag() == before
    second = _export(scene.app, engine_env)
    assert (first["a.txt"].mtime, second["a.txt"].mtime) == (1_500_000_000, 1_600_000_000)
    assert first.keys() == second.keys()
    label = {KEY_LABEL: str(scene.keyed().key)}
    elsewhere = scene.registry.put_image("shop/api", before, labels=label, content="built elsewhere").digest
    builder = StoringBuilder(scene.registry)
    assert [(image.status.value, image.digest) for image in scene.build(builder).images] == [("skipped", elsewhere)]
    assert builder.requests == []


def test_attestations(scene: TrapScene) -> None:
    """A provenance manifest is no platform; an index of one platform and its provenance is whole."""
    registry = scene.registry
    pushed = registry.put_image("shop/api", None, ("linux/amd64",), index=True)
    document = json.loads(registry.manifests["shop/api"][pushed.digest][1])
    attestation = dict(document["manifests"][0])
    attestation["platform"] = {"os": "unknown", "architecture": "unknown"}
    attestation["annotations"] = {
        "vnd.docker.reference.type": "attestation-manifest",
        "vnd.docker.reference.digest": pushed.platforms["linux/amd64"],
    }
    document["manifests"].append(attestation)
    registry.put_manifest("shop/api", scene.tag(), OCI_INDEX, to_json(document))
    planned = scene.plan()
    assert (planned.action, planned.reasons) == (Action.SKIP, ("tag present, 1 platform",))
    scene.image(platforms=["linux/amd64", "linux/arm64"])
    registry.put_manifest("shop/api", scene.tag(), OCI_INDEX, to_json(document))
    planned = scene.plan()
    assert (planned.action, planned.missing_platforms) == (Action.COMPLETE, ("linux/arm64",))


def test_children_and_blobs_gone(scene: TrapScene) -> None:
    """A tag whose parts a clean-up took is a hit for who asks the tag alone; ``verify: deep`` builds what is gone."""
    registry, both = scene.registry, ["linux/amd64", "linux/arm64"]
    images = {"api": {"context": "app", "platforms": both}}

    def write(verify: str) -> None:
        scene.write({"pipeline-kit.yaml": config_text(images, registry=registry.host, verify=verify)})

    write("deep")
    assert scene.build(StoringBuilder(registry)).exit_code == 0
    document = json.loads(registry.manifests["shop/api"][registry.tags["shop/api"][scene.tag()]][1])
    amd, arm = (child["digest"] for child in document["manifests"])
    layer = json.loads(registry.manifests["shop/api"][amd][1])["layers"][0]["digest"]
    for store, digest, platform in (
        (registry.blobs, layer, "linux/amd64"),
        (registry.manifests, arm, "linux/arm64"),
    ):
        del store["shop/api"][digest]
        write("record")
        assert scene.plan().action is Action.SKIP
        write("deep")
        planned = scene.plan()
        assert (planned.action, planned.missing_platforms) == (Action.COMPLETE, (platform,))
        builder = StoringBuilder(registry)
        assert scene.build(builder).exit_code == 0
        assert [request.platforms for request in builder.requests] == [(platform,)]
        assert scene.plan().action is Action.SKIP


def test_retag(scene: TrapScene) -> None:
    """An alias is one PUT of the very manifest bytes: every platform stays, no index is wrapped, nothing is pulled."""
    registry = scene.registry
    scene.image(platforms=["linux/amd64", "linux/arm64"], aliases=["latest"])
    pushed = registry.put_image("shop/api", None, ("linux/amd64", "linux/arm64"))
    odd = json.dumps(json.loads(registry.manifests["shop/api"][pushed.digest][1]), indent=3).encode() + b"\n"
    digest = registry.put_manifest("shop/api", scene.tag(), OCI_INDEX, odd)
    registry.log.clear()
    builder = StoringBuilder(registry)
    assert scene.build(builder).exit_code == 0
    assert builder.requests == []
    tags = [put for put in registry.requests("PUT", "/manifests/") if "/manifests/sha256" not in put.path]
    assert [(put.path, put.body) for put in tags] == [("/v2/shop/api/manifests/latest", odd)]
    assert {put.body for put in registry.requests("PUT", "/blobs/")} <= {b"{}"}, "only the alias record's empty blob"
    assert registry.tags["shop/api"]["latest"] == digest == digest_of(odd)


def test_pull_through_and_mirrors(scene: TrapScene) -> None:
    """Whether an image exists is asked at the registry that is pushed to, whatever a cache in front of it holds."""
    with FakeRegistry() as mirror:
        mirror.put_image("python", "3.12")
        scene.image(f"FROM {mirror.host}/python:3.12\nCOPY . /\n")
        tag = scene.tag()
        mirror.put_image("shop/api", tag)
        mirror.log.clear()
        planned = scene.plan()
        assert (planned.action, planned.verdict) == (Action.BUILD, Verdict.ABSENT)
        assert mirror.requests(path="/shop/") == []
    assert {item.path for item in scene.registry.log} == {f"/v2/shop/api/manifests/{tag}"}


def test_ecr_specifics(scene: TrapScene, monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing repository is no missing image; an immutable tag and an expired token are said, not built around."""
    registry = scene.registry
    monkeypatch.setattr(hints, "is_ecr_host", lambda host: host == registry.host)
    registry.creates_repositories = False
    planned = scene.plan()
    assert (planned.action, planned.verdict) == (Action.BLOCKED, Verdict.DENIED)
    assert planned.hint == "create it: aws ecr create-repository --repository-name shop/api"
    builder = StoringBuilder(registry)
    with pytest.raises(RegistryRefused, match="shop/api does not exist"):
        scene.build(builder)
    assert builder.requests == []
    registry.put_image("shop/api", "other")
    assert scene.plan().verdict is Verdict.ABSENT
    registry.immutable = (".*",)
    assert scene.build(StoringBuilder(registry)).exit_code == 0
    pushed = registry.tags["shop/api"][scene.tag()]
    again = StoringBuilder(registry)
    assert [(image.status.value, image.digest) for image in scene.build(again).images] == [("skipped", pushed)]
    assert again.requests == []
    expired = b'{"errors":[{"code":"DENIED","message":"Your authorization token has expired."}]}'
    registry.add_rule(status=403, body=expired)
    assert scene.plan().verdict is Verdict.DENIED


def _files(scene: TrapScene) -> set[str]:
    """Return the files of the context that count."""
    inputs = scene.keyed().inputs
    assert inputs is not None
    return {os.fsdecode(path) for path in inputs.files[""].paths}


def _put_with_config(registry: FakeRegistry, repository: str, tag: str, config: Mapping[str, object]) -> None:
    """Store an image whose configuration holds ``config``."""
    document = {"os": "linux", "architecture": "amd64", "config": config, "rootfs": {"type": "layers", "diff_ids": []}}
    data = to_json(document)
    manifest = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": {
            "mediaType": "application/vnd.oci.image.config.v1+json",
            "digest": registry.put_blob(repository, data),
            "size": len(data),
        },
        "layers": [],
    }
    registry.put_manifest(repository, tag, OCI_MANIFEST, to_json(manifest))


def _tag_as_nobody(context: Path) -> str:
    """Take b.txt's read permission, and return how a user without root's rights fails to tag ``context``."""
    with tempfile.TemporaryDirectory() as open_to_all:
        place = Path(open_to_all)
        place.chmod(0o755)
        shutil.copytree(context, place / "app")
        (place / "app/Dockerfile").write_text(WHOLE)
        (place / "pipeline-kit.yaml").write_text(config_text({"api": {"context": "app"}}))
        (place / "app/b.txt").chmod(0o000)
        command = [sys.executable, "-c", AS_NOBODY, open_to_all]
        # nobody may not write the coverage file either
        environ = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
        done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
        return done.stdout + done.stderr


def _export(context: Path, env: Mapping[str, str]) -> dict[str, tarfile.TarInfo]:
    """Build ``context`` with the real BuildKit and return what the image holds, by path."""
    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder) / "out.tar"
        command = ["docker", "buildx", "build", "--no-cache", f"--output=type=tar,dest={archive}", str(context)]
        done = subprocess.run(command, env=dict(env), capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr
        with tarfile.open(archive) as opened:
            return {member.name.strip("/"): member for member in opened}
