from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
from fakes.fake_registry import FakeRegistry
from fakes.project_files import WHOLE, config_text, environment, tag, tags, write_files

from pipeline_kit.app.session import open_session
from pipeline_kit.app.tagging import compute_tags
from pipeline_kit.errors import DockerfileError, InputError, RegistryRefused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from fakes.git_checkout import Checkout

    Change = Callable[[Path], object]

ODD_NAMES = (
    b"with space",
    b"new\nline",
    b"quo\"te'",
    b"not \xff utf-8",
    b"-rf",
    b"\\back",
    b"tab\t",
    b"*",
    "ä".encode(),
)


def project(checkout: Checkout, image: dict[str, Any] | None = None, dockerfile: str = WHOLE) -> Path:
    """Commit a project of one image ``api`` whose context is services/api."""
    write_files(
        checkout.root,
        {
            "pipeline-kit.yaml": config_text({"api": {"context": "services/api", **(image or {})}}),
            "services/api/Dockerfile": dockerfile,
            "services/api/app.py": "print(1)\n",
            "services/api/lib/deep.py": "x = 1\n",
            "services/web/index.html": "<p>\n",
        },
    )
    checkout.write("services/api/run.sh", "#!/bin/sh\n", mode=0o755)
    (checkout.root / "services/api/link").symlink_to("app.py")
    for name in ODD_NAMES:
        checkout.write(b"services/api/" + name, name)
    checkout.commit("first")
    return checkout.root


@pytest.fixture
def api(checkout: Checkout) -> Path:
    """Return the root of a committed project."""
    return project(checkout)


def test_every_kind_of_checkout_of_equal_bytes_has_one_tag(checkout: Checkout, api: Path, tmp_path: Path) -> None:
    """Full clone, depth-1 clone, worktree, detached HEAD, git archive without .git, another commit of equal bytes."""
    expected = tag(api)
    source = api.as_uri()
    checkout.git("clone", "--quiet", source, str(tmp_path / "full"))
    checkout.git("clone", "--quiet", "--depth=1", source, str(tmp_path / "shallow"))
    checkout.git("worktree", "add", "--quiet", "--detach", str(tmp_path / "worktree"))
    (tmp_path / "archive").mkdir()
    archive = subprocess.run(["git", "archive", "HEAD"], cwd=api, check=True, capture_output=True).stdout
    subprocess.run(["tar", "-x"], cwd=tmp_path / "archive", input=archive, check=True)
    assert not (tmp_path / "archive" / ".git").exists()
    assert (tmp_path / "shallow" / ".git" / "shallow").exists()
    found = {name: tag(tmp_path / name) for name in ("full", "shallow", "worktree", "archive")}
    assert set(found.values()) == {expected}, found
    checkout.git("checkout", "--quiet", "--detach")
    assert tag(api) == expected
    checkout.git("commit", "--quiet", "--allow-empty", "--message", "nothing")
    assert tag(api) == expected


def test_equal_bytes_are_equal_however_they_came(checkout: Checkout, api: Path) -> None:
    """Touched, rewritten, staged, uncommitted, or committed: only the bytes decide."""
    first = tag(api)
    (api / "services/api/app.py").write_text("print(2)\n")
    dirty = tag(api)
    assert dirty != first
    checkout.git("add", "--all")
    assert tag(api) == dirty
    checkout.commit()
    assert tag(api) == dirty
    checkout.write("services/api/app.py", "print(1)\n")
    assert tag(api) == first
    checkout.git("rm", "--quiet", "--cached", "services/api/app.py")
    assert tag(api) == first
    os.utime(api / "services/api/app.py", (1, 1))
    assert tag(api) == first


def test_an_old_index_gives_the_tag_of_a_fresh_one(checkout: Checkout, api: Path) -> None:
    """Trusting stat data and reading every byte agree."""
    fresh = tag(api)
    checkout.age()
    assert tag(api) == fresh


def _write(path: str, content: str = "new\n") -> Change:
    return lambda root: (root / path).write_text(content)


def _delete(path: str) -> Change:
    return lambda root: (root / path).unlink()


def _relink(root: Path) -> None:
    (root / "services/api/link").unlink()
    (root / "services/api/link").symlink_to("run.sh")


def _ignored(root: Path) -> None:
    write_files(root, {".gitignore": "*.log\n", "services/api/debug.log": "x"})


def _file_to_link(root: Path) -> None:
    (root / "services/api/app.py").unlink()
    (root / "services/api/app.py").symlink_to("x")


def _replace_by_directory(root: Path) -> None:
    (root / "services/api/app.py").unlink()
    (root / "services/api/app.py").mkdir()


CHANGES: dict[str, Change] = {
    "modified": _write("services/api/app.py"),
    "modified, same size": _write("services/api/app.py", "print(9)\n"),
    "untracked": _write("services/api/new.txt"),
    "git-ignored, but sent": _ignored,
    "deleted": _delete("services/api/app.py"),
    "deleted below": _delete("services/api/lib/deep.py"),
    "link elsewhere": _relink,
    "link gone": _delete("services/api/link"),
    "executable bit": lambda root: (root / "services/api/app.py").chmod(0o755),
    "not executable": lambda root: (root / "services/api/run.sh").chmod(0o644),
    "empty directory": lambda root: (root / "services/api/empty").mkdir(),
    "file became directory": _replace_by_directory,
    "file became link": _file_to_link,
    "renamed": lambda root: (root / "services/api/app.py").rename(root / "services/api/app2.py"),
    "moved below": lambda root: (root / "services/api/app.py").rename(root / "services/api/lib/app.py"),
    "Dockerfile comment": _write("services/api/Dockerfile", f"# note\n{WHOLE}"),
    "empty file": _write("services/api/empty.txt", ""),
    **{f"odd name {name!r}": _write(f"services/api/{os.fsdecode(name)}") for name in ODD_NAMES},
    **{f"odd name {name!r} gone": _delete(f"services/api/{os.fsdecode(name)}") for name in ODD_NAMES},
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=[ascii(name) for name in CHANGES])
def test_what_changes_the_context_changes_the_tag(api: Path, change: Change) -> None:
    """Each change of what BuildKit is sent counts, tracked by git or not, and a copy without .git agrees."""
    before = tag(api)
    change(api)
    after = tag(api)
    assert after != before
    copy = api.parent / "copy"
    shutil.copytree(api, copy, symlinks=True, ignore=shutil.ignore_patterns(".git"))
    assert tag(copy) == after


@pytest.mark.parametrize(
    "change",
    [
        lambda root: (root / "services/web/index.html").write_text("<b>\n"),
        lambda root: (root / "README.md").write_text("x"),
        lambda root: (root / ".git/info/exclude").write_text("*\n"),
        lambda root: (root / "services/api/app.py").chmod(0o600),
        lambda root: (root / "services/api/run.sh").chmod(0o700),
        lambda root: (root / "services/api/lib").chmod(0o700),
    ],
    ids=[
        "another service",
        "a file outside",
        "git's exclude file",
        "umask",
        "umask of an executable",
        "directory mode",
    ],
)
def test_what_does_not_enter_the_image_does_not_count(api: Path, change: Change) -> None:
    """Files outside the context, and modes that git does not know, leave the tag alone."""
    before = tag(api)
    change(api)
    assert tag(api) == before


def test_a_directory_with_a_file_is_no_empty_directory(api: Path) -> None:
    """Only directories without anything in them are entries of their own."""
    before = tag(api)
    (api / "services/api/lib/sub").mkdir()
    empty = tag(api)
    (api / "services/api/lib/sub/x").write_text("x")
    full = tag(api)
    shutil.rmtree(api / "services/api/lib/sub")
    assert len({before, empty, full}) == 3
    assert tag(api) == before


def test_dockerignore_counts_by_effect(api: Path) -> None:
    """Excluded files stop counting; a rule without effect, a comment and the file's own name change nothing more."""
    (api / "services/api/.dockerignore").write_text("*.log\n.dockerignore\n")
    with_rule = tag(api)
    (api / "services/api/debug.log").write_text("x")
    assert tag(api) == with_rule
    (api / "services/api/.dockerignore").write_text("# logs\n*.log\n/.dockerignore\n*.nothing\n")
    assert tag(api) == with_rule
    (api / "services/api/.dockerignore").write_text("*.log\n.dockerignore\n!debug.log\n")
    assert tag(api) != with_rule
    (api / "services/api/.dockerignore").write_text("*.log\n.dockerignore\nlib\n")
    without_lib = tag(api)
    assert without_lib != with_rule
    (api / "services/api/lib/deep.py").write_text("other")
    assert tag(api) == without_lib


def test_an_ignore_file_beside_the_dockerfile_wins(api: Path) -> None:
    """<Dockerfile>.dockerignore replaces .dockerignore altogether."""
    write_files(
        api, {"services/api/.dockerignore": "app.py\n", "services/api/Dockerfile.dockerignore": "lib\n*ignore\n"}
    )
    before = tag(api)
    (api / "services/api/lib/deep.py").write_text("ignored by the winner")
    assert tag(api) == before
    (api / "services/api/.dockerignore").write_text("*\n")
    assert tag(api) == before
    (api / "services/api/app.py").write_text("ignored by the loser only")
    assert tag(api) != before


def test_a_dockerfile_outside_its_context(checkout: Checkout) -> None:
    """Its bytes count, and so does the ignore file beside it."""
    root = project(checkout, {"dockerfile": "../../docker/api.Dockerfile"})
    write_files(root, {"docker/api.Dockerfile": WHOLE, "docker/api.Dockerfile.dockerignore": "lib\n"})
    before = tag(root)
    (root / "services/api/lib/deep.py").write_text("ignored")
    assert tag(root) == before
    (root / "docker/other").write_text("not in the context")
    assert tag(root) == before
    (root / "docker/api.Dockerfile").write_text(f"{WHOLE}USER 1\n")
    assert tag(root) != before


def test_a_dockerfile_that_is_a_link_counts_by_its_bytes(api: Path) -> None:
    """What BuildKit reads is what counts."""
    write_files(api, {"services/api/real/Dockerfile": WHOLE})
    (api / "services/api/Dockerfile").unlink()
    (api / "services/api/Dockerfile").symlink_to("real/Dockerfile")
    before = tag(api)
    (api / "services/api/real/Dockerfile").write_text(f"{WHOLE}USER 1\n")
    assert tag(api) != before


STAGES = "FROM scratch AS one\nCOPY app.py /\nFROM scratch AS two\nCOPY lib /\n"
ARGS = "ARG OUTSIDE\nFROM scratch\nARG USED\nLABEL used=$USED\nCOPY . /\n"
OPTIONS: dict[str, tuple[str, dict[str, Any], dict[str, Any], bool]] = {
    "target": (STAGES, {"target": "one"}, {"target": "two"}, False),
    "default target": (STAGES, {}, {"target": "one"}, False),
    "platforms": (WHOLE, {}, {"platforms": ["linux/amd64", "linux/arm64"]}, False),
    "order of platforms": (
        WHOLE,
        {"platforms": ["linux/arm64", "linux/amd64"]},
        {"platforms": ["linux/amd64", "linux/arm64"]},
        True,
    ),
    "alias of a platform": (WHOLE, {"platforms": ["linux/x86_64"]}, {"platforms": ["linux/amd64"]}, True),
    "argument used": (ARGS, {"args": {"USED": "1"}}, {"args": {"USED": "2"}}, False),
    "argument given or not": (ARGS, {}, {"args": {"USED": ""}}, False),
    "argument not declared": (ARGS, {"args": {"OTHER": "1"}}, {"args": {"OTHER": "2"}}, True),
    "argument not declared at all": (ARGS, {}, {"args": {"OTHER": "2"}}, True),
    "order of arguments": (
        ARGS,
        {"args": {"USED": "1", "OUTSIDE": "2"}},
        {"args": {"OUTSIDE": "2", "USED": "1"}},
        True,
    ),
    "secret id": (WHOLE, {}, {"secrets": {"npm": {"env": "NPM_TOKEN"}}}, False),
    "secret source": (
        WHOLE,
        {"secrets": {"npm": {"env": "NPM_TOKEN"}}},
        {"secrets": {"npm": {"env": "OTHER_TOKEN"}}},
        True,
    ),
    "named context": (WHOLE, {}, {"contexts": {"web": "services/web"}}, False),
    "context's name": (
        "FROM scratch\nCOPY . /\nCOPY --from=web . /\n",
        {"contexts": {"web": "services/web"}},
        {"contexts": {"web": "services/web", "web2": "services/web"}},
        False,
    ),
    "extra input": (WHOLE, {}, {"inputs": ["services/web/index.html"]}, False),
    "repository": (WHOLE, {"repository": "a/b"}, {"repository": "c/d"}, True),
    "alias": (WHOLE, {}, {"aliases": ["latest"]}, True),
    "cache": (WHOLE, {}, {"cache": "none"}, True),
    "max_age": (WHOLE, {}, {"max_age": "7d"}, False),
}


@pytest.mark.parametrize(("dockerfile", "one", "two", "same"), OPTIONS.values(), ids=list(OPTIONS))
def test_options(checkout: Checkout, dockerfile: str, one: dict[str, Any], two: dict[str, Any], same: bool) -> None:
    """Options that can change the image count; those that only say where it goes do not."""
    root = project(checkout, one, dockerfile)
    first = tag(root)
    (root / "pipeline-kit.yaml").write_text(config_text({"api": {"context": "services/api", **two}}))
    assert (tag(root) == first) is same


def test_a_secret_s_value_does_not_count(checkout: Checkout) -> None:
    """Ids count, values never."""
    root = project(checkout, {"secrets": {"npm": {"env": "NPM_TOKEN"}}})
    assert tag(root, NPM_TOKEN="one") == tag(root, NPM_TOKEN="two") == tag(root)


def test_an_argument_from_the_environment_counts(checkout: Checkout) -> None:
    """What {env.NAME} brings in is an input like any other."""
    root = project(checkout, {"args": {"USED": "{env.FLAVOUR:-none}"}}, ARGS)
    assert tag(root, FLAVOUR="a") == tag(root, FLAVOUR="a") != tag(root, FLAVOUR="b") != tag(root)


def test_named_contexts_have_their_own_files_and_ignore_rules(checkout: Checkout) -> None:
    """Files of a named context count, filtered by the .dockerignore in it."""
    root = project(checkout, {"contexts": {"web": "services/web"}}, "FROM scratch\nCOPY --from=web . /web\n")
    before = tag(root)
    (root / "services/web/index.html").write_text("other")
    assert tag(root) != before
    (root / "services/web/.dockerignore").write_text("*.log\n")
    ignoring = tag(root)
    (root / "services/web/debug.log").write_text("x")
    assert tag(root) == ignoring


def test_extra_inputs_count_wherever_they_lie(checkout: Checkout) -> None:
    """A file, or a directory with everything in it; also where the context's rules ignore it."""
    root = project(checkout, {"inputs": ["VERSION", "schemas"]})
    write_files(root, {"VERSION": "1", "schemas/a.json": "{}"})
    before = tag(root)
    (root / "VERSION").write_text("2")
    second = tag(root)
    (root / "schemas/b.json").write_text("{}")
    third = tag(root)
    assert len({before, second, third}) == 3
    write_files(root, {"elsewhere": "x"})
    assert tag(root) == third


def chain(checkout: Checkout) -> Path:
    """Commit base <- api <- tool, and web by itself."""
    images: dict[str, dict[str, Any]] = {
        "base": {"context": "base"},
        "api": {"context": "api", "contexts": {"base": "image:base"}},
        "tool": {"context": "tool", "contexts": {"parent": "image:api"}},
        "web": {"context": "web"},
    }
    write_files(
        checkout.root,
        {
            "pipeline-kit.yaml": config_text(images),
            "base/Dockerfile": WHOLE,
            "api/Dockerfile": "FROM base\nCOPY . /\n",
            "tool/Dockerfile": "FROM scratch\nCOPY --from=parent /x /\nCOPY . /\n",
            "web/Dockerfile": WHOLE,
            **{f"{name}/file": name for name in images},
        },
    )
    checkout.commit()
    return checkout.root


@pytest.mark.parametrize(
    ("changed", "stale"),
    [("base", {"base", "api", "tool"}), ("api", {"api", "tool"}), ("tool", {"tool"}), ("web", {"web"})],
)
def test_a_chain_makes_exactly_its_dependants_stale(checkout: Checkout, changed: str, stale: set[str]) -> None:
    """A tag contains the tags it builds upon, like git's trees."""
    root = chain(checkout)
    before = tags(root)
    (root / changed / "file").write_text("other")
    after = tags(root)
    assert {name for name in before if before[name] != after[name]} == stale
    assert len(set(after.values())) == 4


def test_one_image_s_tag_does_not_depend_on_what_else_is_asked(checkout: Checkout) -> None:
    """Alone or with all others: the same tag."""
    root = chain(checkout)
    assert {name: tag(root, name) for name in tags(root)} == tags(root)


def test_a_configuration_in_a_subdirectory(checkout: Checkout, tmp_path: Path) -> None:
    """Its place in the repository does not count: the same tags as its directory alone, inputs included."""
    image: dict[str, Any] = {"context": "api", "contexts": {"lib": "lib"}, "inputs": ["VERSION"]}
    write_files(
        checkout.root,
        {
            "platform/shop/pipeline-kit.yaml": config_text({"api": image}),
            "platform/shop/api/Dockerfile": "FROM scratch\nCOPY . /\nCOPY --from=lib . /\n",
            "platform/shop/api/.dockerignore": "*.log\n",
            "platform/shop/api/x.log": "x",
            "platform/shop/lib/l": "l",
            "platform/shop/VERSION": "1",
        },
    )
    checkout.commit()
    inside = tag(checkout.root / "platform/shop")
    assert tag(checkout.root / "platform/shop/api") == inside
    shutil.copytree(checkout.root / "platform/shop", tmp_path / "alone")
    assert tag(tmp_path / "alone") == inside
    (checkout.root / "platform/shop").rename(checkout.root / "moved")
    assert tag(checkout.root / "moved") == inside


def test_a_context_above_the_configuration(checkout: Checkout) -> None:
    """Inside the repository a context may lie anywhere."""
    write_files(
        checkout.root,
        {
            "ci/pipeline-kit.yaml": config_text({"api": {"context": "..", "dockerfile": "ci/Dockerfile"}}),
            "ci/Dockerfile": "FROM scratch\nCOPY src /\n",
            "src/x": "x",
        },
    )
    checkout.commit()
    before = tag(checkout.root / "ci")
    write_files(checkout.root, {"src/x": "y"})
    assert tag(checkout.root / "ci") != before


def test_line_ends_converted_by_git_count_as_sent(checkout: Checkout) -> None:
    """A checkout with CRLF on disk has another tag than one with LF: other bytes are sent."""
    root = project(checkout)
    unix = tag(root)
    (root / ".gitattributes").write_text("*.py text eol=crlf\n")
    checkout.commit()
    (root / "services/api/app.py").unlink()
    checkout.git("checkout", "services/api/app.py")
    assert (root / "services/api/app.py").read_bytes() == b"print(1)\r\n"
    assert tag(root) != unix


def test_the_tag_prefix_stands_in_front(checkout: Checkout) -> None:
    """It makes another tag of the same key."""
    root = project(checkout)
    plain = tag(root)
    text = config_text({"api": {"context": "services/api"}}, defaults={"tag_prefix": "c-"})
    (root / "pipeline-kit.yaml").write_text(text)
    assert tag(root) == f"c-{plain}"


VOLATILE = {"args": {"GIT_SHA": "{sha}"}, "volatile_args": ["GIT_SHA"]}


def test_a_volatile_argument_does_not_count(checkout: Checkout) -> None:
    """The commit may be handed to the build without making anything stale."""
    root = project(checkout, VOLATILE, "FROM scratch\nCOPY . /\nARG GIT_SHA\n")
    before = tag(root)
    checkout.commit("another commit id")
    assert tag(root) == before


def test_a_volatile_argument_in_a_cached_step_is_refused(checkout: Checkout) -> None:
    """It would decide the image's bytes: the message names the line and both ways out."""
    root = project(checkout, VOLATILE, "FROM alpine\nARG GIT_SHA\n\nRUN echo $GIT_SHA > /version\n")
    with pytest.raises(DockerfileError, match=r"services/api/Dockerfile:4: .*GIT_SHA") as caught:
        tag(root)
    assert "volatile_args" in str(caught.value.hint)


def test_max_age_makes_a_tag_due_again(checkout: Checkout) -> None:
    """Within a period the tag stands; each period brings a new one; other images are not touched."""
    root = project(checkout, {"max_age": "7d"})
    day = 86400

    def at(now: float) -> str:
        with open_session(root, None, environment()) as session:
            around = session.around._replace(now=now)
            return str(compute_tags(session.project, ("api",), around, None).keyed["api"].tag)

    start = 1_700_000_000.0
    found = [at(start + hour * 3600) for hour in range(0, 24 * 21, 6)]
    assert len(set(found)) in (3, 4)
    assert found == sorted(found, key=found.index)
    assert at(start) == at(start + 1)
    assert at(start) != at(start + 7 * day) != at(start + 14 * day)


@pytest.fixture
def registry() -> Iterator[FakeRegistry]:
    """Return a registry on loopback."""
    with FakeRegistry() as fake:
        yield fake


def based(checkout: Checkout, registry: FakeRegistry, **image: Any) -> Path:
    """Commit an image from two bases of ``registry``."""
    text = (
        f"FROM {registry.host}/tools:1 AS tools\nFROM {registry.host}/python:3.12\nCOPY --from=tools /x /\nCOPY . /\n"
    )
    return project(checkout, image, text)


def test_bases_count_by_digest(checkout: Checkout, registry: FakeRegistry) -> None:
    """A base that moved makes the image stale; each base is asked for once."""
    registry.put_image("tools", "1")
    registry.put_image("python", "3.12")
    root = based(checkout, registry)
    before = tag(root)
    assert len(registry.requests("HEAD")) == 2
    assert tag(root) == before
    registry.put_image("python", "3.12", content="security fix")
    moved = tag(root)
    assert moved != before
    registry.put_image("tools", "1", content="other")
    assert tag(root) not in (before, moved)


def test_bases_are_asked_once_for_many_images(checkout: Checkout, registry: FakeRegistry) -> None:
    """Ten images from one base: one HEAD."""
    registry.put_image("python", "3.12")
    images = {f"i{number}": {"context": f"i{number}"} for number in range(10)}
    write_files(
        checkout.root,
        {
            "pipeline-kit.yaml": config_text(images),
            **{f"{name}/Dockerfile": f"FROM {registry.host}/python:3.12\nCOPY . /\n" for name in images},
        },
    )
    assert len(tags(checkout.root)) == 10
    assert len(registry.requests("HEAD")) == 1


def test_ignored_bases_count_by_their_text(checkout: Checkout, registry: FakeRegistry) -> None:
    """Nothing is asked; another text is another tag."""
    root = based(checkout, registry, bases="ignore")
    before = tag(root)
    assert registry.requests() == []
    dockerfile = root / "services/api/Dockerfile"
    dockerfile.write_text(dockerfile.read_text().replace("3.12", "3.13"))
    assert tag(root) != before


def test_a_pinned_base_is_not_asked_for(checkout: Checkout, registry: FakeRegistry) -> None:
    """Its digest stands in the Dockerfile; only whether it holds ONBUILD triggers is looked up."""
    digest = registry.put_image("python", "3.12").digest
    root = project(checkout, None, f"FROM {registry.host}/python@{digest}\nCOPY . /\n")
    assert tag(root) == tag(root)
    assert registry.requests("HEAD") == []


def test_locked_bases_need_no_network(checkout: Checkout, registry: FakeRegistry) -> None:
    """The lock file's digests count, and changing one changes the tag."""
    root = based(checkout, registry, bases="lock")
    lock = root / "pipeline-kit.lock"
    one, two = (f"sha256:{digit * 64}" for digit in "12")
    lock.write_text(f"{registry.host}/python:3.12 {one}\n{registry.host}/tools:1 {one}\n")
    before = tag(root)
    assert registry.requests() == []
    lock.write_text(f"# comment\n\n{registry.host}/tools:1 {one}\n{registry.host}/python:3.12 {one}\n")
    assert tag(root) == before
    lock.write_text(f"{registry.host}/python:3.12 {two}\n{registry.host}/tools:1 {one}\n")
    assert tag(root) != before


@pytest.mark.parametrize("lock", [None, "", "other sha256:" + "1" * 64 + "\n"])
def test_a_base_that_is_not_locked_is_refused(checkout: Checkout, registry: FakeRegistry, lock: str | None) -> None:
    """Nothing is resolved behind a reviewer's back; the message says what to run."""
    root = based(checkout, registry, bases="lock")
    if lock is not None:
        (root / "pipeline-kit.lock").write_text(lock)
    with pytest.raises(RegistryRefused, match=r"not in pipeline-kit\.lock") as caught:
        tag(root)
    assert caught.value.hint == "run: pipeline-kit lock"
    assert registry.requests() == []


@pytest.mark.parametrize("line", ["alpine", "alpine sha256:short", "alpine: sha256:", "a b c d"])
def test_a_broken_lock_file_is_refused(checkout: Checkout, registry: FakeRegistry, line: str) -> None:
    """With file and line."""
    root = based(checkout, registry, bases="lock")
    (root / "pipeline-kit.lock").write_text(f"# ok\n{line}\n")
    with pytest.raises(InputError, match=r"pipeline-kit\.lock:2: "):
        tag(root)


def test_locking_and_resolving_images_do_not_share_a_digest(checkout: Checkout, registry: FakeRegistry) -> None:
    """One image locks a base, another resolves it: each sees its own, whichever is asked for."""
    pushed = registry.put_image("python", "3.12")
    text = f"FROM {registry.host}/python:3.12\n"
    images = {"locked": {"context": "a", "bases": "lock"}, "fresh": {"context": "a"}}
    write_files(
        checkout.root,
        {
            "pipeline-kit.yaml": config_text(images),
            "a/Dockerfile": text,
            "pipeline-kit.lock": f"{registry.host}/python:3.12 sha256:{'1' * 64}\n",
        },
    )
    both = tags(checkout.root)
    assert both["locked"] != both["fresh"]
    assert both == {name: tag(checkout.root, name) for name in images}
    (checkout.root / "pipeline-kit.lock").write_text(f"{registry.host}/python:3.12 {pushed.digest}\n")
    assert tags(checkout.root)["fresh"] == both["fresh"]
    assert tags(checkout.root)["locked"] == both["fresh"]


def test_a_base_that_does_not_exist(checkout: Checkout, registry: FakeRegistry) -> None:
    """A missing base is refused by name, with the image that uses it."""
    root = based(checkout, registry)
    registry.put_image("tools", "1")
    with pytest.raises(RegistryRefused, match=r"base image 127.*python:3\.12 of api does not exist"):
        tag(root)


def test_a_base_that_cannot_be_asked(checkout: Checkout, registry: FakeRegistry) -> None:
    """Denied is an error: no tag is made up."""
    root = based(checkout, registry)
    registry.add_rule(status=403, body=b'{"errors":[{"code":"DENIED","message":"no"}]}')
    with pytest.raises(RegistryRefused, match="base image") as caught:
        tag(root)
    assert caught.value.hint


def test_named_contexts_may_be_images_of_a_registry(checkout: Checkout, registry: FakeRegistry) -> None:
    """docker-image:// contexts count by digest as well."""
    registry.put_image("conf", "1")
    context = {"contexts": {"conf": f"docker-image://{registry.host}/conf:1"}}
    root = project(checkout, context, "FROM scratch\nCOPY --from=conf / /\n")
    before = tag(root)
    registry.put_image("conf", "1", content="other")
    assert tag(root) != before


def test_the_syntax_image_counts(checkout: Checkout, registry: FakeRegistry) -> None:
    """The frontend decides what a Dockerfile means."""
    registry.put_image("docker/dockerfile", "1")
    root = project(checkout, None, f"# syntax={registry.host}/docker/dockerfile:1\n{WHOLE}")
    before = tag(root)
    registry.put_image("docker/dockerfile", "1", content="other")
    assert tag(root) != before


@pytest.mark.parametrize(
    ("dockerfile", "message"),
    [
        ("FROM Alpine:x:y\n", r"services/api/Dockerfile:1: "),
        ("FROM $BASE\n", r"services/api/Dockerfile:1: "),
        ("FROM scratch\nFROM scratch AS x\nCOPY --from=y /a /b\nFRM z\n", r"services/api/Dockerfile:4: "),
        ("", r"services/api/Dockerfile"),
    ],
)
def test_a_broken_dockerfile_names_the_line(checkout: Checkout, dockerfile: str, message: str) -> None:
    """Before anything is asked or built."""
    with pytest.raises(DockerfileError, match=message):
        tag(project(checkout, None, dockerfile))


def test_an_unknown_target_is_refused(checkout: Checkout) -> None:
    """A stage that is not there."""
    with pytest.raises(DockerfileError, match="nowhere"):
        tag(project(checkout, {"target": "nowhere"}))


def test_an_unknown_image_is_refused(api: Path) -> None:
    """With the names there are."""
    with pytest.raises(InputError, match="'nope'") as caught:
        tags(api, "nope")
    assert caught.value.hint == "images are: api"
