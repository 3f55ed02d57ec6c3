"""A first configuration from Dockerfiles: names, contexts, links between images, registries, task definitions."""

from __future__ import annotations

import json
import re
from itertools import starmap

import pytest
from fakes.starting_files import Repository, left_out
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline_kit.config import DirectoryContext, ImageContext
from pipeline_kit.config.keys import NAME_PATTERN
from pipeline_kit.config.starting.contexts import guess
from pipeline_kit.config.starting.found import Examined, Read
from pipeline_kit.config.starting.names import Wanted, is_dockerfile, legal, of_dockerfile, unique
from pipeline_kit.config.starting.place import PLACEHOLDER, ecr_hosts, read_remote
from pipeline_kit.config.starting.writing import scalar
from pipeline_kit.errors import ConfigError, InputError

SCRATCH = "FROM scratch\n"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Dockerfile", True),
        ("dockerfile", True),
        ("Containerfile", True),
        ("Dockerfile.api", True),
        ("Dockerfile-api", True),
        ("api.Dockerfile", True),
        ("api.dockerfile", True),
        ("Containerfile.api", True),
        ("Dockerfiles", False),
        ("MyDockerfile", False),
        ("docker", False),
        ("Dockerfile.dockerignore", False),
        ("Dockerfile.md", False),
        ("dockerfile_copy_test.go", False),
        ("Dockerfile.go", True),
    ],
)
def test_what_is_called_like_a_dockerfile_is_taken_for_one(name: str, expected: bool) -> None:
    """By docker's, podman's and everybody's habits."""
    assert is_dockerfile(name) is expected


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("Dockerfile", ""),
        ("Dockerfile.worker", "worker"),
        ("docker/Dockerfile", ""),
        ("docker/Dockerfile.api", "api"),
        ("docker/api.Dockerfile", "api"),
        ("services/api/Dockerfile", "api"),
        ("services/api/docker/Dockerfile", "api"),
        ("services/api/api.Dockerfile", "api"),
        ("services/api/Dockerfile.worker", "api-worker"),
        ("services/api/Dockerfile.prod", "api"),
        ("images/base/Dockerfile", "base"),
    ],
)
def test_an_image_is_called_after_its_directory_or_its_dockerfile(path: str, name: str) -> None:
    """Directories that say nothing (docker, services, …) do not count."""
    assert of_dockerfile(path).name == name


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("api", "api"),
        ("my_api.v2", "my_api.v2"),
        ("My API", "my-api"),
        ("café", "cafe"),
        ("日本", "image"),
        ("--", "image"),
        ("a\nb: {x}", "a-b-x"),
        ("x" * 80, "x" * 60),
        ("shop-untrusted", "shop-untrusted-image"),
    ],
)
def test_names_become_legal(name: str, expected: str) -> None:
    """What is legal stays; where untrusted runs write is nobody's name."""
    assert legal(name) == expected


def test_images_of_one_name_are_told_apart_by_the_directories_above() -> None:
    """Both get the longer name, so that neither depends on the order; a number is the last resort."""
    assert unique([Wanted("web", ("apps",)), Wanted("web", ("sites",)), Wanted("api", ("apps",))]) == [
        "apps-web",
        "sites-web",
        "api",
    ]
    assert unique([Wanted("a"), Wanted("A"), Wanted("a.b"), Wanted("a_b"), Wanted("a-2")]) == [
        "a",
        "a-3",
        "a.b",
        "a_b-2",
        "a-2",
    ]


WANTED = st.builds(Wanted, st.text(max_size=70), st.lists(st.text(max_size=8), max_size=3).map(tuple))


@given(st.lists(WANTED, max_size=12))
def test_names_are_legal_and_unique_whatever_is_wanted(wanted: list[Wanted]) -> None:
    """No two differ only in '.', '_' and '-', which the configuration refuses."""
    names = unique(wanted)
    assert len(names) == len(wanted)
    assert len({re.sub("[._]", "-", name) for name in names}) == len(names)
    assert all(re.fullmatch(NAME_PATTERN, name) and len(name) < 70 for name in names)


PART = st.text(st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1, max_size=6).filter(
    lambda part: part not in (".", "..")
)
LAST = st.one_of(st.just("Dockerfile"), PART.map("Dockerfile.{}".format), PART.map("{}.Dockerfile".format))
PATHS = st.lists(st.tuples(st.lists(PART, max_size=3), LAST).map(lambda p: "/".join((*p[0], p[1]))), max_size=6)


@settings(max_examples=150)
@given(PATHS, st.sampled_from(["", "https://github.com/Acme/Shop.git"]), st.text(max_size=8))
def test_any_dockerfiles_make_a_configuration_that_loads(paths: list[str], remote: str, directory: str) -> None:
    """Every one is an image in it, or left out with a reason."""
    files = dict.fromkeys((path for path in paths if not any(o.startswith(f"{path}/") for o in paths)), SCRATCH)
    repository = Repository(files, remote=remote, directory=directory)
    named = {path for path in files if is_dockerfile(path.rpartition("/")[2])}
    try:
        started = repository.start("")
    except InputError:
        assert all(not path.isprintable() or _is_never_shipped(path) for path in named)
        return
    config = repository.load(started.text)
    built = {image.dockerfile for image in config.images.values()}
    assert built | set(left_out(started)) >= named
    assert tuple(config.images) == started.images


def _is_never_shipped(path: str) -> bool:
    return path.rpartition(".")[2].lower() in {"in", "j2", "m4", "erb", "tpl"} or "{" in path


@given(st.text())
def test_any_text_is_one_scalar_of_yaml_and_comes_back(text: str) -> None:
    """Line breaks, quotes, YAML's own signs and its surprises ('on', '1e3') included."""
    import yaml

    written = scalar(text)
    assert "\n" not in written
    expected = "".join("\ufffd" if "\ud800" <= char <= "\udfff" else char for char in text)
    assert yaml.safe_load(f"a: [{written}, {{{written}: 1}}]\n") == {"a": [expected, {expected: 1}]}


@pytest.mark.parametrize(
    ("files", "reads", "context"),
    [
        pytest.param({"a/b/x"}, ["x"], "a/b", id="beside"),
        pytest.param({"x", "a/b/Dockerfile"}, ["x"], ".", id="root"),
        pytest.param({"a/x"}, ["x"], "a", id="between"),
        pytest.param({"x", "a/b/x"}, ["x"], "a/b", id="beside-first"),
        pytest.param({"a/x", "x", "y"}, ["x", "y"], ".", id="all-of-it"),
        pytest.param({"a/b/x", "y"}, ["x", "y", "z"], "a/b", id="nowhere-whole"),
        pytest.param({"a/b/main.py"}, ["."], "a/b", id="whole"),
        pytest.param({"a/b/Dockerfile", "a/b/.dockerignore", "main.py"}, ["."], ".", id="whole-of-nothing"),
        pytest.param({"package.json"}, ["package*.json"], ".", id="pattern"),
        pytest.param({"src/x.py"}, ["s*"], ".", id="pattern-of-directory"),
        pytest.param({"a/b/lib/x"}, ["lib"], "a/b", id="directory"),
        pytest.param(set(), [], "a/b", id="copies-nothing"),
    ],
)
def test_the_context_is_where_all_that_is_copied_lies(files: set[str], reads: list[str], context: str) -> None:
    """The Dockerfile's own directory first, then the root, then what lies between."""
    repository = Repository(dict.fromkeys(files, ""))
    examined = Examined(reads=tuple(Read(pattern, "*" in pattern, 1) for pattern in reads))
    assert guess("a/b/Dockerfile", examined, repository).context == context


def test_what_is_plain_to_see_counts_where_not_all_is_understood() -> None:
    """A variable that may come from the base hides one source, not the others."""
    text = "FROM base.example/x\nCOPY $HERE /\nCOPY --from=other.example/y /z /z\nCOPY lib/x /x\n"
    files = {"a/Dockerfile": text, "lib/x": "", "b/Dockerfile": SCRATCH}
    assert Repository(files).config().images["a"].context == "."


def test_a_dockerfile_of_another_frontend_is_an_image_all_the_same() -> None:
    """What it reads is only its frontend's to say."""
    files = {"a/Dockerfile": "# syntax=acme/frontend\nBUILD me\n", "b/Dockerfile": SCRATCH}
    assert Repository(files).config().images["a"].context == "a"


def test_what_is_missing_is_named() -> None:
    """A build's own products are often copied and not there yet."""
    repository = Repository({"api/Dockerfile": "FROM scratch\nCOPY src target/app.jar /\n", "api/src/A.java": ""})
    assert any("missing: target/app.jar" in line for line in repository.start().account.chosen)
    assert repository.config().images["api"].context == "api"


def test_images_upon_images_are_linked_in_every_spelling() -> None:
    """FROM, COPY --from and an ARG's default; by name, by reference and by the project's local names."""
    repository = Repository(
        {
            "images/base/Dockerfile": SCRATCH,
            "api/Dockerfile": "FROM base\n",
            "web/Dockerfile": "ARG BASE=ghcr.io/acme/shop/base:latest\nFROM $BASE\nCOPY --from=shop-api /x /\n",
            "job/Dockerfile": "FROM shop/web AS x\nFROM scratch\nCOPY --from=x / /\n",
        }
    )
    images = repository.config(registry="ghcr.io/acme").images
    assert images["api"].contexts == {"base": ImageContext("base")}
    expected = {"ghcr.io/acme/shop/base:latest": ImageContext("base"), "shop-api": ImageContext("api")}
    assert images["web"].contexts == expected
    assert images["job"].contexts == {"shop/web": ImageContext("web")}


@pytest.mark.parametrize(
    "line",
    [
        "FROM nginx",
        "FROM python:3.12",
        "FROM cache:7.2",
        "FROM base@sha256:" + "0" * 64,
        "FROM elsewhere.example/acme/cache",
    ],
)
def test_images_of_others_stay_theirs(line: str) -> None:
    """A directory called nginx does not make 'FROM nginx' mean it; a version or a digest means a published image."""
    files = {f"{name}/Dockerfile": SCRATCH for name in ("nginx", "python", "cache", "base")} | {
        "web/Dockerfile": f"{line}\n"
    }
    assert repository_contexts(files, "web") == {}


def repository_contexts(files: dict[str, str], name: str) -> object:
    """Return the contexts of one image."""
    return Repository(files).config().images[name].contexts


def test_an_image_is_not_linked_to_itself_or_in_circles() -> None:
    """A link that would close a circle is not made."""
    files = {"app/Dockerfile": "FROM app\n", "a/Dockerfile": "FROM b\n", "b/Dockerfile": "FROM a\n"}
    images = Repository(files).config().images
    assert images["app"].contexts == {}
    assert [bool(images["a"].contexts), bool(images["b"].contexts)] == [True, False]


def test_the_registry_is_learnt_from_what_dockerfiles_here_call_images_here() -> None:
    """Two of a namespace are no accident: they say where the images go."""
    from_base = "ARG REGISTRY=quay.io\nFROM $REGISTRY/acme/{}\n"
    files = {
        "images/base/Dockerfile": SCRATCH,
        "images/mid/Dockerfile": from_base.format("base"),
        "images/top/Dockerfile": from_base.format("mid"),
    }
    started = Repository(files, remote="git@github.com:other/thing.git").start("")
    assert started.place[:2] == ("quay.io", "acme")
    assert Repository(files).load(started.text).images["top"].contexts == {"quay.io/acme/mid": ImageContext("mid")}


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://github.com/Acme/Shop.git", ("github.com", "acme", "shop")),
        ("git@github.com:acme/shop.git", ("github.com", "acme", "shop")),
        ("ssh://git@github.com:22/acme/shop", ("github.com", "acme", "shop")),
        ("https://user:token@gitlab.com/group/sub/shop/", ("gitlab.com", "group/sub", "shop")),
        ("/srv/git/shop.git", None),
        ("", None),
    ],
)
def test_remotes_are_read_in_every_form(url: str, expected: tuple[str, str, str] | None) -> None:
    """Credentials in one are dropped."""
    assert read_remote(url) == expected


@pytest.mark.parametrize(
    ("remote", "ecr", "place"),
    [
        ("git@github.com:Acme/Shop.git", {}, ("ghcr.io/acme", "shop")),
        ("https://gitlab.com/group/sub/shop.git", {}, ("registry.gitlab.com/group/sub", "shop")),
        ("git@git.internal:acme/shop.git", {}, (PLACEHOLDER, "shop")),
        ("", {}, (PLACEHOLDER, "dir")),
        ("git@github.com:acme/shop.git", {"1.dkr.ecr.eu-west-1.amazonaws.com": "buildspec.yml"}, None),
    ],
)
def test_without_names_the_remote_or_aws_says_where_images_go(
    remote: str, ecr: dict[str, str], place: tuple[str, str] | None
) -> None:
    """Where nothing does, a variable stands there that every command asks for by name."""
    started = Repository({"Dockerfile": SCRATCH}, remote=remote, ecr=ecr, directory="dir").start("")
    assert started.place[:2] == (place or (next(iter(ecr)), "shop"))
    assert list(started.images) == [started.place.project]


def test_ecr_registries_are_found_in_text() -> None:
    """The most frequent first."""
    one, two = (f"{digit * 12}.dkr.ecr.eu-west-1.amazonaws.com" for digit in "12")
    assert ecr_hosts([("a", f"x={one}/api"), ("b", f"{two}/a {two}/b")]) == {two: "b", one: "a"}


@pytest.mark.parametrize("option", [{"registry": "nohost"}, {"registry": "ghcr.io/Acme"}, {"project": "Shop!"}])
def test_a_wish_that_cannot_be_is_refused_by_the_options_name(option: dict[str, str]) -> None:
    """Not by leaving every image out."""
    (name,) = option
    with pytest.raises(InputError, match=f"--{name}: "):
        Repository({"Dockerfile": SCRATCH}).start(**option)


def test_on_docker_hub_repositories_have_two_parts() -> None:
    """Hub has no more: images get repositories of their own below the account."""
    images = Repository({"a/Dockerfile": SCRATCH, "b/Dockerfile": SCRATCH}).config(registry="docker.io/acme").images
    assert [image.repository for image in images.values()] == ["acme/a", "acme/b"]


def test_a_last_stage_for_development_is_not_what_is_shipped() -> None:
    """Where another stage is called as shipped ones are."""
    text = "FROM scratch AS runtime\nFROM runtime AS debug\n"
    assert Repository({"Dockerfile": text}).config().images["shop"].target == "runtime"
    assert Repository({"Dockerfile": "FROM scratch AS x\nFROM x AS dev\n"}).config().images["shop"].target is None


@pytest.mark.parametrize(
    ("path", "text", "why"),
    [
        ("tests/Dockerfile", SCRATCH, "seldom shipped"),
        ("Dockerfile.dev", SCRATCH, "seldom shipped"),
        ("Dockerfile.j2", "FROM {{ base }}\n", "template"),
        ("x/Dockerfile", "hello\n", "unknown instruction"),
        ("x/Dockerfile", "", "no FROM"),
        ("x/Dockerfile", "FROM mcr.microsoft.com/windows/servercore:ltsc2022\n", "Windows"),
        ("x\ny/Dockerfile", SCRATCH, "its name holds"),
        ("{branch}/Dockerfile", SCRATCH, "placeholder"),
    ],
)
def test_what_is_left_out_is_told_with_its_reason(path: str, text: str, why: str) -> None:
    """And the rest is there."""
    started = Repository({"api/Dockerfile": SCRATCH, path: text}).start()
    assert started.images == ("api",)
    assert why in left_out(started)[path]


def test_dockerfiles_of_tests_count_where_there_are_no_others() -> None:
    """A repository of examples alone has its images in them."""
    assert Repository({"examples/a/Dockerfile": SCRATCH}).start().images == ("a",)


def test_a_base_that_needs_a_value_leaves_its_image_in_a_comment() -> None:
    """Written out, so that only the value is missing."""
    files = {"api/Dockerfile": "ARG V\nFROM node:$V\n", "web/Dockerfile": "FROM api\n", "x/Dockerfile": SCRATCH}
    started = Repository(files).start()
    assert started.images == ("web", "x")
    assert "  # api: # line 2: node:$V: it needs a value for V\n  #   context: api\n" in started.text
    uncommented = re.sub(r"(?m)^  # ( *\S)", r"  \1", started.text)
    images = Repository(files).load(uncommented, V="22").images
    assert (list(images), images["api"].args) == (["web", "x", "api"], {"V": "22"})


def test_where_nothing_else_is_there_the_value_is_asked_for() -> None:
    """By its name, as the registry is where that is not known."""
    repository = Repository({"Dockerfile": "ARG A\nARG B=1\nARG C\nFROM $A/x:$B-$C\n"})
    started = repository.start()
    assert (started.images, started.waiting) == (("shop",), ("A", "C"))
    assert repository.load(started.text, A="a", C="c").images["shop"].args == {"A": "a", "C": "c"}
    with pytest.raises(ConfigError, match="environment variable 'A' is not set"):
        repository.load(started.text)


def test_nothing_to_build_is_an_error_that_says_what_was_left_out() -> None:
    """So that nobody searches for it."""
    with pytest.raises(InputError, match=r"nothing was found(?s:.*)x/Dockerfile: .*Windows") as caught:
        Repository({"x/Dockerfile": "FROM mcr.microsoft.com/windows/nanoserver\n"}).start()
    assert caught.value.exit_code == 2


def definition(*containers: tuple[str, str], **more: object) -> str:
    """Return an ECS task definition."""
    return json.dumps({"containerDefinitions": list(starmap(lambda n, i: {"name": n, "image": i}, containers)), **more})


def test_task_definitions_become_a_deploy_section_to_be_uncommented() -> None:
    """With the containers that run images here; by repository, ECR name, or a placeholder's container name."""
    files = {
        "api/Dockerfile": SCRATCH,
        "web/Dockerfile": SCRATCH,
        "ecs/shop.json": definition(
            ("api", "ghcr.io/acme/shop/api:1"),
            ("site", "111122223333.dkr.ecr.eu-west-1.amazonaws.com/web:x"),
            ("web", "<IMAGE>"),
            ("api2", "api:1.2"),
            ("log", "public.ecr.aws/fluent:1"),
        ),
        "ecs/other.json": definition(("x", "nginx:1")),
        "package.json": "[1",
    }
    repository = Repository(files)
    started = repository.start()
    text = re.sub(r"(?m)^# (deploy:|  )", r"\1", started.text)
    service = repository.load(text).ecs["prod"].services["shop"]
    assert service.task_definition == "ecs/shop.json"
    assert service.containers == {"api": "api", "site": "web", "web": "web"}
    assert repository.load(started.text).ecs == {}


def test_tasks_on_arm_say_the_platform() -> None:
    """An image that runs on both needs both."""
    arm, amd = ({"runtimePlatform": {"cpuArchitecture": name}} for name in ("ARM64", "X86_64"))
    files = {f"{name}/Dockerfile": SCRATCH for name in ("a", "b", "c")} | {
        "ecs/one.json": definition(("a", "<A>"), ("b", "<B>"), **arm),
        "ecs/two.json": definition(("b", "<B>"), ("c", "<C>"), **amd),
    }
    images = Repository(files).config().images
    assert [images[name].platforms for name in "abc"] == [
        ("linux/arm64",),
        ("linux/amd64", "linux/arm64"),
        ("linux/amd64",),
    ]


def test_named_contexts_that_are_directories_stay_so() -> None:
    """They are no links between images."""
    compose = "services: {api: {build: {context: api, additional_contexts: {lib: lib}}}}\n"
    files = {"compose.yaml": compose, "api/Dockerfile": SCRATCH, "lib/x": ""}
    assert Repository(files).config().images["api"].contexts == {"lib": DirectoryContext("lib")}
