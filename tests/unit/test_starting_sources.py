"""A first configuration from Compose, bake, Skaffold and chartpress files, awkward ones included."""

from __future__ import annotations

import json
from typing import Any

import pytest
from fakes.starting_files import Repository, left_out
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline_kit.config import ImageContext, Secret
from pipeline_kit.errors import InputError

SCRATCH = "FROM scratch\n"


def tree(**files: str) -> dict[str, str]:
    """Return directories base, api, web and job with a Dockerfile each, and files (``_`` for ``.``)."""
    made = {f"{name}/Dockerfile": SCRATCH for name in ("base", "api", "web", "job")}
    return {**made, **{name.replace("_", "."): text for name, text in files.items()}}


COMPOSE = """
name: corner
services:
  api:
    image: ghcr.io/acme/corner/api:${TAG:-latest}
    build:
      context: ./api
      args: [STAGE=prod, "PLAIN"]
  web: {build: web}
  db: {image: "postgres:17"}
"""


def test_a_compose_file_that_is_understood_is_imported() -> None:
    """Its images need not be written again; other Dockerfiles are added."""
    started = Repository(tree(compose_yaml=COMPOSE)).start("")
    assert started.imports == ("compose.yaml",)
    assert started.place[:2] == ("ghcr.io/acme", "corner")
    assert "\nimports: [compose.yaml]\n" in started.text
    assert "api" not in started.text
    config = Repository(tree(compose_yaml=COMPOSE)).load(started.text)
    assert config.images["api"].repository == "acme/corner/api"
    assert sorted(config.images) == ["api", "base", "job", "web"]


def test_only_what_is_asked_for_is_taken() -> None:
    """``--from compose`` leaves other Dockerfiles alone, ``--from dockerfile`` the Compose file."""
    repository = Repository(tree(compose_yaml=COMPOSE))
    assert repository.start(kinds=["compose"]).images == ("api", "web")
    assert repository.start(kinds=["dockerfile"]).imports == ()


@pytest.mark.parametrize(
    ("service", "why"),
    [
        ("{extends: {service: api}, build: job}", "'extends' of service 'job' is not followed"),
        ("{build: {dockerfile_inline: FROM scratch}}", "'dockerfile_inline' is not read"),
        ("{build: {context: job, args: {T: '${API_TOKEN}'}}}", "looks like a secret"),
        ("{build: {context: job, secrets: [nothing]}}", "is none of the file's 'secrets'"),
        ("{build: 'https://github.com/acme/job.git'}", "does not exist"),
        ("{build: missing}", "missing/Dockerfile does not exist"),
        ("{build: ../job}", "lies outside"),
    ],
)
def test_a_service_that_is_not_understood_is_left_out_alone(service: str, why: str) -> None:
    """The others are written out, since an import is all or nothing."""
    started = Repository(tree(compose_yaml=f"{COMPOSE}  job: {service}\n")).start(kinds=["compose"])
    assert (started.imports, started.images) == ((), ("api", "web"))
    (told,) = [reason for what, reason in left_out(started).items() if "'job'" in what]
    assert why in told


def test_what_is_written_out_holds_defaults_and_no_environment() -> None:
    """What one machine's environment holds is not written into a file that is committed."""
    compose = COMPOSE + "  job: {extends: {service: api}}\n  v: {build: {context: job, args: {A: '${A:-1}'}}}\n"
    config = Repository(tree(compose_yaml=compose)).config()
    assert config.images["v"].args == {"A": "1"}
    assert config.images["api"].args == {"STAGE": "prod"}


def test_two_services_of_one_build_are_one_image() -> None:
    """A worker that runs the web image with another command must not be built and stored twice."""
    compose = """
    services:
      web: {build: ., command: serve}
      worker: {build: {context: .}, command: work}
      top: {build: {context: api, additional_contexts: {base: "service:worker"}}}
    """
    started = Repository({**tree(compose_yaml=compose), "Dockerfile": SCRATCH}).start(kinds=["compose"])
    assert started.images == ("web", "top")
    assert left_out(started)["compose.yaml: 'worker'"] == "it is built as 'web' is: one image"
    assert '{base: "image:web"}' in started.text


def test_services_that_share_a_repository_get_one_each() -> None:
    """Tags do not tell images apart here."""
    compose = """
    services:
      a: {image: "ghcr.io/acme/demo:1-a", build: api}
      b: {image: "ghcr.io/acme/demo:1-b", build: web}
    """
    repository = Repository(tree(compose_yaml=compose))
    images = repository.config(registry="").images
    assert [image.repository for name, image in images.items() if name in "ab"] == ["acme/demo/a", "acme/demo/b"]
    assert repository.start("").imports == ("compose.yaml",)


def test_a_committed_dotenv_counts() -> None:
    """It says which Dockerfiles there are."""
    compose = (
        "services:\n  a: {build: {context: ., dockerfile: '${A}'}}\n  b: {build: {context: ., dockerfile: '${B}'}}\n"
    )
    files = tree(compose_yaml=compose, _env="A=api/Dockerfile\nB=web/Dockerfile\n")
    assert Repository(files).start(kinds=["compose"]).imports == ("compose.yaml",)


def test_names_of_services_become_legal_where_they_are_written_out() -> None:
    """An import cannot rename."""
    compose = "services:\n  Web_App: {build: web}\n  '1e3': {build: api}\n"
    started = Repository(tree(compose_yaml=compose)).start(kinds=["compose"])
    assert (started.imports, started.images) == ((), ("web-app", "1e3"))


@pytest.mark.parametrize("text", ["services: [", "- a\n", "include: [x.yaml]\nservices: {}\n", "a: 1\n", "\0"])
def test_a_compose_file_that_is_none_leaves_dockerfiles(text: str) -> None:
    """And is named among what was left out."""
    started = Repository(tree(compose_yaml=text)).start()
    assert started.images == ("api", "base", "job", "web")
    assert "compose.yaml" in left_out(started)


def test_links_are_added_to_imported_images() -> None:
    """What only the Dockerfile tells stands under 'images', over the import."""
    compose = "services:\n  base: {image: corner-base, build: base}\n  api: {build: api}\n"
    repository = Repository({**tree(compose_yaml=compose), "api/Dockerfile": "FROM corner-base\n"})
    started = repository.start(kinds=["compose"])
    assert started.imports == ("compose.yaml",)
    assert repository.load(started.text).images["api"].contexts == {"corner-base": ImageContext("base")}


def test_an_empty_platform_is_none() -> None:
    """As Compose has it: ``platform: ${PLATFORM:-}``."""
    repository = Repository(tree(compose_yaml="services: {api: {build: api, platform: '${PLATFORM:-}'}}\n"))
    assert repository.start(kinds=["compose"]).imports == ("compose.yaml",)
    assert repository.config().images["api"].platforms == ("linux/amd64",)


def test_images_on_docker_hub_say_the_account() -> None:
    """``acme/api`` names one, ``api`` none."""
    compose = "services: {api: {image: acme/api, build: api}, web: {image: web, build: web}}\n"
    repository = Repository(tree(compose_yaml=compose), remote="git@github.com:other/shop.git")
    started = repository.start("", kinds=["compose"])
    assert started.place[:2] == ("docker.io", "acme")
    images = repository.load(started.text).images
    assert [image.repository for image in images.values()] == ["acme/api", "acme/web"]


def printed(**targets: Any) -> str:
    """Return what bake prints."""
    return json.dumps({"group": {"default": {"targets": list(targets)}}, "target": targets})


def test_a_bake_file_is_imported_and_says_what_there_is() -> None:
    """Tags name repositories; Dockerfiles that it does not name are not images."""
    bake = printed(
        api={"context": "api", "contexts": {"base": "target:base"}, "tags": ["ghcr.io/acme/corner/the-api:1"]},
        base={"context": "base", "tags": ["ghcr.io/acme/corner/base:1"]},
    )
    repository = Repository(tree(**{"docker-bake_hcl": 'target "api" {}\n'}), bake)
    started = repository.start("")
    config = repository.load(started.text)
    assert (started.imports, started.images) == (("docker-bake.hcl",), ("api", "base"))
    assert [image.repository for image in config.images.values()] == ["acme/corner/the-api", "acme/corner/base"]
    assert config.images["api"].contexts == {"base": ImageContext("base")}
    assert "--from dockerfile" in left_out(started)["web/Dockerfile"]


def test_bake_targets_that_make_no_image_are_left_out() -> None:
    """The others are written out then, with the platforms that are none left away."""
    bake = printed(
        api={"context": "api", "platforms": ["local"], "args": {"A": "{x}"}},
        bin={"context": "web", "output": ["./bin"]},
        tar={"context": "web", "output": [{"type": "tar"}]},
        check={"context": "web", "output": ["type=cacheonly"]},
        inline={"context": "web", "dockerfile-inline": "FROM scratch"},
    )
    repository = Repository(tree(**{"docker-bake_hcl": "x"}), bake)
    started = repository.start()
    assert started.images == ("api",)
    assert repository.load(started.text).images["api"].args == {"A": "{{x}}"}
    assert left_out(started)["docker-bake.hcl: 'bin'"] == "its output is local, not an image"


def test_what_bake_describes_compose_does_not_describe_again() -> None:
    """A Compose file beside a bake file names the same images."""
    files = tree(**{"docker-bake_hcl": "x", "compose_yaml": COMPOSE})
    started = Repository(files, printed(api={"context": "api"})).start()
    assert started.images == ("api", "web")
    assert left_out(started)["compose.yaml: 'api'"] == "docker-bake.hcl says how api/Dockerfile is built"


SKAFFOLD = """
apiVersion: skaffold/v4beta13
kind: Config
build:
  platforms: [linux/amd64, linux/arm64]
  artifacts:
    - image: base
      context: base
    - image: europe-docker.pkg.dev/acme/shop/api
      context: api
      sync: {manual: [{src: "*.py", dest: .}]}
      requires: [{image: base, alias: BASE}]
      docker:
        target: runtime
        buildArgs: {MODE: fast, FROM_ENV: "{{.MODE}}-{{ .OTHER }}", NOT: "{{cmd \\"date\\"}}", T: "{{.API_TOKEN}}", E: }
        secrets: [{id: npm, env: NPM_TOKEN}, {id: file, src: secret.txt}]
    - {image: kaniko, context: ., kaniko: {dockerfile: web/Dockerfile}}
    - {image: jib, jib: {}}
    - {image: ko, ko: {}}
    - {image: custom, custom: {buildCommand: make}}
    - {image: pack, buildpacks: {builder: x}}
    - {}
profiles: [{name: debug, build: {artifacts: []}}, {name: quiet}]
---
# comment
apiVersion: skaffold/v4beta13
requires: [{path: ../other}]
build:
  artifacts: [{image: job, context: job}]
---
[broken
"""


def test_skaffold_artifacts_that_have_a_dockerfile_are_images() -> None:
    """Of every document; other builders, profiles and templates are left out, each with its reason."""
    files = {**tree(skaffold_yaml=SKAFFOLD), "api/Dockerfile": "ARG BASE\nFROM $BASE AS runtime\n"}
    repository = Repository(files)
    started = repository.start("")
    images = repository.load(started.text).images
    assert started.place[:2] == ("europe-docker.pkg.dev/acme", "shop")
    assert started.images == ("base", "api", "kaniko", "job")
    api = images["api"]
    assert (api.target, api.repository) == ("runtime", "acme/shop/api")
    assert api.args == {"MODE": "fast", "FROM_ENV": "-", "E": "", "BASE": "base"}
    assert api.contexts == {"base": ImageContext("base")}
    assert api.secrets == {"npm": Secret(env="NPM_TOKEN"), "file": Secret(file="secret.txt")}
    assert api.platforms == ("linux/amd64", "linux/arm64")
    assert images["kaniko"].dockerfile == "web/Dockerfile"
    told = left_out(started)
    for name, builder in (("jib", "jib"), ("ko", "ko"), ("custom", "custom"), ("pack", "buildpacks")):
        assert told[f"skaffold.yaml: artifact '{name}'"] == f"{builder} builds it, not a Dockerfile"
    assert told["skaffold.yaml: profile 'debug'"] == "profiles are not followed"
    assert "skaffold.yaml: profile 'quiet'" not in told
    assert told["skaffold.yaml: build argument NOT of 'api'"] == "its template is not understood"
    assert "skaffold.yaml: build argument T of 'api'" in told
    assert told["skaffold.yaml: requires"] == "other skaffold files are not followed"
    assert "not valid YAML" in told["skaffold.yaml"]


def test_who_is_built_upon_what_is_left_out_is_left_out_too() -> None:
    """Its Dockerfile would name an image that no one builds."""
    skaffold = """
    build:
      artifacts:
        - {image: base, jib: {}}
        - {image: api, context: api, requires: [{image: base}]}
        - {image: web, context: web, requires: [{image: api}]}
        - {image: job, context: job}
    """
    started = Repository(tree(skaffold_yaml=skaffold)).start()
    assert started.images == ("job",)
    assert left_out(started)["skaffold.yaml: 'web'"] == "it is built upon 'api', which is left out"


CHARTPRESS = """
charts:
  - name: hub
    imagePrefix: quay.io/acme/k8s-
    images:
      api: {valuesPath: api.image}
      web:
        contextPath: ..
        dockerfilePath: images/web/Dockerfile
        rebuildOnContextPathChanges: false
        paths: [../setup.py]
        buildArgs: {STATIC: "a {b}", MOVING: "{TAG}-{LAST_COMMIT}"}
        platforms: [linux/arm64]
      slim:
        contextPath: images/web
        imageName: docker.io/acme/slim
        extraBuildCommandOptions: [--target=small, "--network host"]
"""


def test_chartpress_images_are_taken_with_their_defaults() -> None:
    """``images/NAME`` is the context unless said otherwise, and paths are relative to the file."""
    text = "FROM scratch AS small\nFROM small\n"
    files = {f"images/{name}/Dockerfile": text for name in ("api", "web")} | {"chartpress.yaml": CHARTPRESS}
    files["chartpress.yaml"] = CHARTPRESS.replace("contextPath: ..", "contextPath: .")
    repository = Repository(files)
    started = repository.start("")
    images = repository.load(started.text).images
    assert started.images == ("api", "web", "slim")
    assert [image.context for image in images.values()] == ["images/api", ".", "images/web"]
    assert [image.repository for image in images.values()] == ["acme/k8s-api", "acme/k8s-web", "acme/slim"]
    assert images["web"].dockerfile == "images/web/Dockerfile"
    assert images["web"].args == {"STATIC": "a {{b}}"}
    assert images["web"].platforms == ("linux/arm64",)
    assert images["slim"].target == "small"
    told = left_out(started)
    assert "volatile_args" in told["chartpress.yaml: build argument MOVING of 'web'"]
    assert "chartpress.yaml: 'slim': option --network" in told
    assert any("emit helm-values" in line for line in started.account.chosen)


@pytest.mark.parametrize(
    "text", ["charts: 7\n", "charts: [{images: {a: [1]}}]\n", "build: {artifacts: [[1], {image: [x]}]}"]
)
@pytest.mark.parametrize("name", ["skaffold_yaml", "chartpress_yaml"])
def test_files_of_another_shape_are_no_obstacle(name: str, text: str) -> None:
    """What cannot be read as meant describes nothing."""
    assert Repository(tree(**{name: text})).start().images == ("api", "base", "job", "web")


def test_shared_platforms_are_said_once() -> None:
    """Short files are read."""
    skaffold = "build:\n  platforms: [linux/arm64]\n  artifacts: [{image: a, context: api}, {image: b, context: web}]\n"
    text = Repository(tree(skaffold_yaml=skaffold)).start().text
    assert text.splitlines()[1:] == [
        "version: 1",
        "project: shop",
        "registry: ghcr.io/acme",
        "defaults: {platforms: [linux/arm64]}",
        "",
        "images: # as in skaffold.yaml",
        "  a: {context: api}",
        "  b: {context: web}",
    ]


HOSTILE = (
    *("a\nb", "{sha}", "x: y", "# x", "'", '"', "- a", "&a", "*a", "!!python/object", "%", "@x", "`x`", "\u2028", "é"),
    *("on", "1e3", "~", "${{ x }}", "::error::x", "\x1b[31m", "a" * 300),
)


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_values_stay_values(text: str) -> None:
    """Names, arguments, targets and tags from other files end up as text, or are left out."""
    bake = printed(**{text: {"context": "api", "args": {"A": text}, "tags": [text]}, "web": {"context": "web"}})
    repository = Repository({**tree(**{"docker-bake_hcl": "x"}), f"{text}/Dockerfile": SCRATCH}, bake)
    started = repository.start(kinds=["bake", "dockerfile"])
    config = repository.load(started.text)
    assert "web" in config.images
    assert all(line.isprintable() for line in started.text.splitlines())


WORDS = st.sampled_from(
    [
        *("api", "web", ".", "..", "x", "", "image", "context", "docker", "dockerfile", "buildArgs", "build", "args"),
        *("artifacts", "requires", "services", "charts", "images", "contextPath", "target", "platforms", "secrets"),
        *("linux/arm64", "image:x", "{x}", "${A}", "{{.A}}", "a\nb", "additional_contexts", "extends", "ssh", "src"),
    ]
)
ANYTHING = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-1, 99), WORDS),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(WORDS, inner, max_size=4)),
    max_leaves=12,
)
ARTIFACTS = st.fixed_dictionaries({"build": st.fixed_dictionaries({"artifacts": st.lists(ANYTHING, max_size=3)})})
SERVICES = st.fixed_dictionaries({"services": st.dictionaries(WORDS, st.fixed_dictionaries({"build": ANYTHING}))})
CHARTS = st.fixed_dictionaries({"charts": st.lists(st.fixed_dictionaries({"images": ANYTHING}), max_size=2)})
DOCUMENTS = st.one_of(
    st.tuples(st.just("skaffold_yaml"), st.one_of(ANYTHING, ARTIFACTS)),
    st.tuples(st.just("compose_yaml"), st.one_of(ANYTHING, SERVICES)),
    st.tuples(st.just("chartpress_yaml"), st.one_of(ANYTHING, CHARTS)),
)


@settings(max_examples=200)
@given(st.lists(DOCUMENTS, max_size=2))
def test_whatever_other_files_hold_the_configuration_loads(found: list[tuple[str, Any]]) -> None:
    """JSON is YAML; every shape is survived, and what comes out is checked."""
    repository = Repository(tree(**{name: json.dumps(document) for name, document in found}))
    try:
        started = repository.start()
    except InputError as error:
        assert "nothing was found" in error.message  # noqa: PT017 - or all is well
        return
    assert set(started.images) == set(repository.load(started.text).images)


def test_an_import_that_does_not_load_is_written_out() -> None:
    """Bake knows 'local' as a platform; no content tag can."""
    bake = printed(api={"context": "api", "platforms": ["local"]}, web={"context": "web"})
    repository = Repository(tree(**{"docker-bake_hcl": "x"}), bake)
    started = repository.start()
    assert (started.imports, started.images) == ((), ("api", "web"))
    assert any("written out, not imported" in line and "'local'" in line for line in started.account.chosen)


@pytest.mark.parametrize("answer", ["", "[]", "{}"])
def test_an_answer_of_bake_that_is_none_leaves_dockerfiles(answer: str) -> None:
    """And is said to be so."""
    started = Repository(tree(**{"docker-bake_hcl": "x"}), answer).start()
    assert started.images == ("api", "base", "job", "web")
    assert left_out(started)["docker-bake.hcl"] == "line 1: bake's answer cannot be read"


def test_an_image_name_that_needs_a_variable_says_nothing_against_the_build() -> None:
    """``image: ${REGISTRY:?}/api`` is true elsewhere."""
    compose = "services: {api: {image: '${HOST:?}/api', build: api}, web: {build: web}}\n"
    assert Repository(tree(compose_yaml=compose)).start(kinds=["compose"]).images == ("api", "web")


def test_a_target_that_is_not_there_leaves_its_image_out() -> None:
    """With the stages that are."""
    compose = "services: {api: {build: {context: api, target: prod}}, web: {build: web}}\n"
    started = Repository(tree(compose_yaml=compose)).start(kinds=["compose"])
    assert started.images == ("web",)
    assert "no stage is called 'prod'" in left_out(started)["compose.yaml: 'api'"]
