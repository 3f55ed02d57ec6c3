"""Images from a Compose file: every form of a build section, what overrides it, where its problems are reported."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import pytest
from fakes.import_files import HEAD, Files, of_compose
from hypothesis import given
from hypothesis import strategies as st

from pipeline_kit.config import DirectoryContext, ImageContext, Location, ReferenceContext, Secret, expand
from pipeline_kit.config.fields import Environment
from pipeline_kit.config.imports.variables import InterpolationFault, Variables
from pipeline_kit.config.render import resolved
from pipeline_kit.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

LONG = """
    services:
      api:
        image: ghcr.io/acme/team/api:${TAG:-latest}
        profiles: [tools]
        environment: {PASSWORD: "${DB_PASSWORD}", BROKEN: "${"}
        build:
          context: ./services/api
          dockerfile: docker/Dockerfile.api
          target: runtime
          args:
            VERSION: ${VERSION:-1.2}
            BRACES: "{x}"
            NUMBER: 7
            FLAG: true
            TAKEN:
            UNSET:
          additional_contexts:
            base: service:base
            schemas: ../shared/schemas
            alpine: docker-image://alpine:3
          platforms: [linux/amd64, linux/arm64]
          secrets: [npm, {source: key, target: other}]
          ssh: [default, deploy=/tmp/agent]
          cache_from: [a]
          tags: [b]
      base: {build: base}
      db: {image: postgres}
    secrets:
      npm: {environment: NPM_AUTH}
      key: {file: ./key.txt}
"""


def test_the_long_form() -> None:
    """Everything that decides the image is taken over; what names or caches it is not; other sections are not read."""
    config = Files({"deploy/compose.yaml": LONG}).load(
        HEAD.replace("compose.yaml", "deploy/compose.yaml"), {"TAKEN": "{env}", "VERSION": "2"}
    )
    api = config.images["api"]
    assert (api.context, api.dockerfile) == ("deploy/services/api", "deploy/services/api/docker/Dockerfile.api")
    assert (api.repository, api.target) == ("acme/team/api", "runtime")
    assert {name: expand(text, {}) for name, text in api.args.items()} == {
        "VERSION": "2",
        "BRACES": "{x}",
        "NUMBER": "7",
        "FLAG": "true",
        "TAKEN": "{env}",
    }
    assert api.contexts == {
        "base": ImageContext("base"),
        "schemas": DirectoryContext("shared/schemas"),
        "alpine": ReferenceContext("alpine:3"),
    }
    assert api.platforms == ("linux/amd64", "linux/arm64")
    assert api.secrets == {"npm": Secret(env="NPM_AUTH"), "other": Secret(file="deploy/key.txt")}
    assert api.ssh == ("default", "deploy")
    assert api.location == Location("sub/deploy/compose.yaml", 3, 3)
    assert (config.images["base"].context, config.images["base"].repository) == ("deploy/base", "acme/shop/base")
    assert (list(config.images), config.imports, config.warnings) == (["api", "base"], ("deploy/compose.yaml",), ())


def test_lists_instead_of_mappings() -> None:
    """Arguments and contexts as NAME=VALUE; one without a value is the environment's."""
    config = of_compose(
        """
        services:
          api:
            build:
              context: .
              args: ["A=b=c", "D=$$x", E, F]
              additional_contexts: ["base=base"]
        """,
        {"E": "e"},
    )
    api = config.images["api"]
    assert api.args == {"A": "b=c", "D": "$x", "E": "e"}
    assert api.contexts == {"base": DirectoryContext("base")}


def test_the_platform_of_a_service() -> None:
    """A service's platform is its image's, unless the build section says more."""
    config = of_compose(
        """
        services:
          a: {build: a, platform: linux/arm64}
          b: {platform: linux/arm64, build: {context: b, platforms: [linux/amd64]}}
        """
    )
    assert [image.platforms for image in config.images.values()] == [("linux/arm64",), ("linux/amd64",)]


def test_what_is_written_under_images_counts_more() -> None:
    """A key replaces the imported one; arguments, contexts and secrets one by one; further images stand beside."""
    compose = """
        services:
          api:
            build: {context: api, target: dev, args: {A: "1", B: "2"}}
            x-pipeline-kit: {args: {B: "3", SHA: "{sha}"}, volatile_args: [SHA], max_age: 7d}
          web: {build: web}
          tool: {build: tool, x-pipeline-kit: false}
    """
    own = HEAD + "images:\n  api: {target: runtime, args: {A: '9'}}\n  more: {context: more}\n"
    config = Files({"compose.yaml": compose}).load(own)
    api = config.images["api"]
    assert (api.context, api.target, api.max_age, api.volatile_args) == ("api", "runtime", 604800, ("SHA",))
    assert dict(api.args) == {"A": "9", "B": "3", "SHA": "{sha}"}
    assert set(config.images) == {"api", "web", "more"}


def test_anchors_and_merges() -> None:
    """Compose files share sections by YAML's own means."""
    config = of_compose(
        """
        x-build: &build {context: ., args: {A: "1"}}
        services:
          a: {build: {<<: *build, dockerfile: Dockerfile.a}}
          b: {build: *build}
        """
    )
    assert [(image.dockerfile, image.args["A"]) for image in config.images.values()] == [
        ("Dockerfile.a", "1"),
        ("Dockerfile", "1"),
    ]


def test_the_project_and_the_repositories() -> None:
    """``name:`` is the project where none is written; ``image:`` counts where it names this registry."""
    compose = """
        name: ${STACK:-stack}
        services:
          a: {build: a}
          b: {build: b, image: "ghcr.io/acme/x/b"}
          c: {build: c, image: "local-c:dev"}
          d: {build: d, image: "quay.io/acme/d"}
    """
    config = Files({"compose.yaml": compose}).load(HEAD.replace("project: shop\n", ""))
    assert [image.repository for image in config.images.values()] == [
        "acme/stack/a",
        "acme/x/b",
        "acme/stack/c",
        "acme/stack/d",
    ]
    assert [(warning.line, warning.message) for warning in config.warnings] == [
        (7, "'quay.io/acme/d' lies outside 'registry', so the image gets its default repository")
    ]
    assert resolved(of_compose(compose))["images"]["a"]["repository"] == "acme/shop/a"


def test_dotenv_lies_below_the_environment() -> None:
    """As Compose has it: quotes, comments, ``export``, references; the environment counts more."""
    text = """
        # comment
        A=one  # not two
        export B="two \\"x\\" $A"
        C='$A'
        D=
        A2 = spaced
        E=below
        SECRET="${NPM_TOKEN}"
    """
    compose = 'services: {a: {build: {context: ., args: ["X=$A|$B|$C|$D|$A2|$E"]}}}'
    config = of_compose(compose, {"E": "above"}, **{".env": text})
    assert config.images["a"].args["X"] == 'one|two "x" one|$A||spaced|above'


@pytest.mark.parametrize(
    ("service", "line", "column", "message"),
    [
        ("build: {contxt: x}", 3, 13, "unknown key 'contxt' in 'services.api.build'"),
        ("build: missing.txt", 3, 12, "'missing.txt' does not exist"),
        ("build: ../x", 3, 12, "'../x' lies outside the repository"),
        ("build: {context: https://x/y.git}", 3, 22, "a remote context has no content tag"),
        ("build: {context: ., dockerfile_inline: FROM x}", 3, 25, "'dockerfile_inline' is not read"),
        ("build: {context: ., args: {A: 1.10}}", 3, 35, '"1.10" must be quoted here'),
        ("build: {context: ., args: {A: '${NPM_TOKEN}'}}", 3, 36, "looks like a secret"),
        ("build: {context: ., args: [NPM_TOKEN]}", 3, 32, "looks like a secret"),
        ("build: {context: ., args: {A: '${B'}}", 3, 36, "'${B' has no end"),
        ("build: {context: ., args: {A: '${B:?say}'}}", 3, 36, "'B' is not set: 'say'"),
        ("build: {context: ., args: {A: 'x$ y'}}", 3, 37, "'$' begins no variable here"),
        ("build: {context: ., secrets: [nothing]}", 3, 35, "'nothing' is none of the file's 'secrets'"),
        ("build: {context: ., additional_contexts: {b: 'service:no'}}", 3, 50, "'image:no' names no image"),
        ("build: {context: ., x-pipeline-kit: {}}", 3, 25, "stands beside 'build'"),
        ("{build: ., x-pipeline-kit: [x]}", 3, 32, "'x-pipeline-kit' holds keys of an image"),
        ("x-pipeline-kit: {targt: x}\n    build: .", 3, 22, "unknown key 'targt'"),
        ("extends: {service: x}\n    build: .", 3, 5, "'extends' of service 'api' is not followed"),
        ("build: .\n    image: 'acme/X'", 4, 12, "not an image reference"),
    ],
)
def test_problems_are_reported_where_they_are(service: str, line: int, column: int, message: str) -> None:
    """File, line and column are the Compose file's."""
    text = f"services:\n  api:\n    {service}\n"
    with pytest.raises(ConfigError) as caught:
        Files({"compose.yaml": text}).load()
    first = caught.value.problems[0]
    assert message in first.message
    assert (first.file, first.line, first.column) == ("sub/compose.yaml", line, column)


@pytest.mark.parametrize(
    ("files", "imports", "file", "message"),
    [
        ({}, "[none.yaml]", "pipeline-kit.yaml", "'none.yaml' does not exist"),
        ({}, "[../up.yaml]", "pipeline-kit.yaml", "lies outside the repository"),
        ({"a.txt": "x"}, "[a.txt]", "pipeline-kit.yaml", "not known how to read 'a.txt'"),
        ({"a.yaml": "services: {db: {image: x}}"}, "[a.yaml]", "pipeline-kit.yaml", "no image is described in a.yaml"),
        ({"a.yaml": "include: [x]\nservices: {a: {build: .}}"}, "[a.yaml]", "a.yaml", "'include' is not followed"),
        ({"a.yaml": "images: {}"}, "[a.yaml]", "a.yaml", "'services' is missing"),
        ({"a.yaml": ""}, "[a.yaml]", "a.yaml", "the file is empty"),
        ({"a.yaml": "services: {a: {build: .}}", "b.yaml": "services: {a: {build: .}}"}, "[a.yaml, b.yaml]", "b.yaml",
         "image 'a' is described in sub/a.yaml too"),
        ({"a.yaml": "services: {a: {build: .}}", ".env": "?"}, "[a.yaml]", ".env", "this is not NAME=VALUE"),
        ({"a.yaml": "services: {a: {build: .}}", ".env": "A='x"}, "[a.yaml]", ".env", "this is not NAME=VALUE"),
        ({"a.yaml": "services: {A: {build: .}}"}, "[a.yaml]", "a.yaml", "'A' is not a legal image name"),
    ],
)  # fmt: skip
def test_imports_that_cannot_be_read(files: Mapping[str, str], imports: str, file: str, message: str) -> None:
    """One problem, at the place that has to be changed, and none that only follows from it."""
    with pytest.raises(ConfigError) as caught:
        Files(dict(files)).load(HEAD.replace("[compose.yaml]", imports))
    assert [(one.file, message in one.message) for one in caught.value.problems] == [(f"sub/{file}", True)]


def test_what_is_not_taken_over_is_said() -> None:
    """Labels change the image, and an empty variable may; neither goes by in silence."""
    config = of_compose("services: {a: {build: {context: ., labels: {a: b}, args: ['X=$NO']}}}")
    assert [warning.message for warning in config.warnings] == [
        "variable 'NO' is not set, so it is empty, as Compose has it",
        "'labels' is not taken over: images are built without it",
    ]


def test_import_alone_is_a_whole_configuration() -> None:
    """``resolved`` shows the images as if they had been written by hand, and reads back to the same."""
    by_hand = """
        version: 1
        project: shop
        registry: ghcr.io/acme
        images:
          a: {context: a, args: {X: "1"}, contexts: {b: "image:b"}}
          b: {context: b}
    """
    compose = """
        services:
          a: {build: {context: a, args: {X: 1}, additional_contexts: {b: "service:b"}}}
          b: {build: b}
    """
    assert resolved(of_compose(compose)) == resolved(Files({}).load(by_hand))


NAMES = st.sampled_from(["A", "B", "EMPTY", "UNSET"])
VALUES = {"A": "a", "B": "$x}", "EMPTY": ""}


@given(st.lists(st.one_of(NAMES.map("${{{}}}".format), NAMES.map("${}/".format), st.text("ab:-{} "), st.just("$$"))))
def test_interpolation_of_plain_variables(parts: list[str]) -> None:
    """Each part is replaced by itself: what a value holds is not read again."""
    expected = []
    for part in parts:
        name = part.strip("${}/")
        value = "$" if part == "$$" else VALUES.get(name, "") + ("/" if part.endswith("/") else "")
        expected.append(value if part.startswith("$") else part)
    assert Variables(Environment(VALUES)).interpolate("".join(parts)) == "".join(expected)


@given(st.text("$A{}:-?+x", max_size=30))
def test_interpolation_of_anything_ends(text: str) -> None:
    """A text is replaced or refused."""
    try:
        Variables(Environment(VALUES)).interpolate(text)
    except InterpolationFault as fault:
        assert 0 <= fault.offset <= len(text)  # noqa: PT017 - the other outcome is as good


def test_defaults_inside_each_other_have_an_end() -> None:
    """Hostile nesting is refused, not followed until the stack is full."""
    with pytest.raises(ConfigError, match="too deeply"):
        of_compose(f"services: {{a: {{build: {{context: '{'${A:-' * 2000}'}}}}}}")


def test_a_hostile_file_costs_no_more_than_a_configuration() -> None:
    """The same bounds hold."""
    bomb = "a: &a [x, x]\n" + "".join(
        f"{chr(98 + i)}: &{chr(98 + i)} [*{chr(97 + i)}, *{chr(97 + i)}]\n" for i in range(20)
    )
    with pytest.raises(ConfigError, match="too large"):
        of_compose(textwrap.dedent(bomb) + "services: {}\n")
