"""Every kind of problem: where it is reported, in which words, with which suggestion."""

from __future__ import annotations

import textwrap

import pytest

from pipeline_kit.config import PathKind, load
from pipeline_kit.errors import ConfigError

TREE = {
    ".": PathKind.DIRECTORY,
    "a": PathKind.DIRECTORY,
    "b": PathKind.DIRECTORY,
    "empty": PathKind.DIRECTORY,
    "out": PathKind.OUTSIDE,
    "../other": PathKind.OUTSIDE,
    "VERSION": PathKind.FILE,
    "task.json": PathKind.FILE,
    "Dockerfile": PathKind.FILE,
    "a/Dockerfile": PathKind.FILE,
    "a/sub": PathKind.DIRECTORY,
    "b/dockerfile": PathKind.FILE,
}
ENVIRON = {"STAGE": "prod", "EMPTY": "", "LINES": "a\nb", "NPM_TOKEN": "s3cret", "BAD": "Not A Registry"}

TOP = "version: 1\nproject: shop\nregistry: ghcr.io/acme\n"
"""Three lines, so what follows begins in line 4."""

API = TOP + "images:\n  api:\n    context: a\n"
"""Six lines: another key of the image stands in line 7, indented by 4."""

ECS = API + "deploy:\n  ecs:\n    prod:\n      cluster: prod\n      services:\n        api:\n"
"""Twelve lines: a key of the service stands in line 13, indented by 10."""


def problems(data: str | bytes) -> list[tuple[int, int, str, str]]:
    """Return line, column, message and suggestion of every problem in ``data``."""
    raw = data.encode() if isinstance(data, str) else data
    with pytest.raises(ConfigError) as caught:
        load(raw, "pipeline-kit.yaml", environ=ENVIRON, exists=lambda path: TREE.get(path, PathKind.MISSING))
    return [(one.line, one.column, one.message, one.suggestion) for one in caught.value.problems]


DOCUMENTS: list[tuple[str | bytes, int, int, str, str]] = [
    (b"", 1, 1, "the file is empty", "version: 1"),
    (b"# only a comment\n", 1, 1, "the file is empty", ""),
    (b"\xef\xbb\xbf", 1, 1, "the file is empty", ""),
    ("- version: 1\n", 1, 1, "holds a list; it must be a mapping", "version: 1"),
    ("hello\n", 1, 1, "holds a single value", ""),
    (TOP + "---\nversion: 1\n", 4, 1, "more than one document", "'---'"),
    (b"version: 1\nproject: \xff\n", 2, 10, "not UTF-8", "save it as UTF-8"),
    (b"\xff\xfev\x00", 1, 1, "not UTF-8", ""),
    (b"version: 1\nproject: a\x00b\n", 2, 11, "control character U+0000", ""),
    ("version: 1\nimages:\n\tapi: 1\n", 3, 1, "a tab stands", "indent with spaces"),
    ("version: 1\nproject: a: b\n", 2, 11, "mapping values are not allowed", "quote a value"),
    ("version: 1\nproject: @x\n", 2, 10, "cannot start any token", "begins with '@'"),
    ("version: 1\nproject: [a\n", 3, 1, "not valid YAML", ""),
    ("version: 1\nproject: {env.X}-y\n", 2, 17, "not valid YAML", "quote a value that holds '{'"),
    ("%TAG ! tag:x,2000:\n---\nversion: 1\n", 1, 1, "%TAG directives", "remove"),
    (TOP + "? [a]\n: b\n" + "images: {}\n", 4, 3, "a key must be text", "quote a key"),
    (TOP + "x-a: &a [*a]\n", 4, 10, "'*a' stands inside what it refers to", ""),
    (TOP + "x-a: *b\n", 4, 6, "'*b' refers to no anchor", ""),
    (TOP + "x-a: " + "[" * 64 + "\n", 4, 69, "more than 64 levels", ""),
    (TOP + "x-a: &a 1\nx-b: [" + "*a, " * 1001 + "]\n", 5, 4007, "more than 1000 aliases", "defaults"),
    (
        API + "    target: !!python/name:os.system x\n",
        7,
        13,
        "tag '!!python/name:os.system' is not allowed",
        "remove it",
    ),
    (API + "    target: !custom x\n", 7, 13, "tag '!custom' is not allowed", ""),
    (API + "    <<: text\n", 7, 9, "'<<' merges mappings only", "*anchor"),
    (API + "    context: b\n", 7, 5, "'context' is written twice (first in line 6, column 5)", ""),
    (API + "  api:\n    context: b\n", 7, 3, "'api' is written twice (first in line 5, column 3)", ""),
]

TOPS: list[tuple[str, int, int, str, str]] = [
    (API.replace("version: 1", "version: 2"), 1, 10, "'2' is not a version", ""),
    (API.replace("version: 1", "version: '1'"), 1, 10, "'1' is not a version", "without quotes"),
    (API.replace("version: 1", "version: 1.0"), 1, 10, "'1.0' is not a version", ""),
    (API.replace("version: 1\n", ""), 1, 1, "'version' is missing", "begin with 'version: 1'"),
    (API.replace("registry: ghcr.io/acme\n", ""), 1, 1, "'registry' is missing", "ghcr.io/acme"),
    (TOP, 1, 1, "'images' is missing", "at least one image"),
    (TOP + "images: {}\n", 4, 9, "'images' names no image", ""),
    (TOP + "images: [a]\n", 4, 9, "'images' must be a mapping, not a list", ""),
    (TOP + "images:\n", 4, 8, "'images' must be a mapping, not nothing", "remove the key or give it a value"),
    (API + "plattforms: []\n", 7, 1, "unknown key 'plattforms'", ""),
    (API + "verfy: tag\n", 7, 1, "unknown key 'verfy'", "did you mean 'verify'?"),
    (API + "services: {}\n", 7, 1, "unknown key 'services'", "did you mean 'images'?"),
    (API + "imports: [compose.yaml]\n", 7, 11, "'compose.yaml' does not exist", ""),
    (API + "imports: compose.yaml\n", 7, 10, "'imports' must be a list", "write [compose.yaml]"),
    (API + "verify: labels\n", 7, 9, "'labels' is not a value of 'verify': 'tag', 'label', 'record' or", "'label'?"),
    (API + "verify: no\n", 7, 9, '"no" must be quoted here', "write 'no'"),
    (API + "plain_http: ['a b']\n", 7, 14, "'a b' is not a registry host", "host:port"),
    (API + "tag_prefix: -x\n", 7, 13, "'-x' cannot begin a tag", ""),
    (
        API + "tag_prefix: v\ndefaults: {tag_prefix: w}\n",
        7,
        13,
        "'tag_prefix' is 'v' here and 'w' in 'defaults'",
        "once",
    ),
    (API + "scopes: {}\n", 7, 9, "'trusted' is missing in 'scopes'", "refs/heads/main"),
    (API + "scopes: {trusted: []}\n", 7, 19, "'trusted' names no ref", "to trust every ref"),
    (API + "scopes: {trusted: [main]}\n", 7, 20, "'main' is not a full ref", "refs/heads/main"),
    (API + "defaults: {platform: x}\n", 7, 12, "unknown key 'platform' in 'defaults'", "'platforms'?"),
    (API + "retention: {keep_last: 0}\n", 7, 24, "must be a whole number above 0, not '0'", ""),
    (API + "retention: {keep_days: '30'}\n", 7, 24, "whole number above 0, not '30'", "write 30 without quotes"),
    (API + "retention: {keep_days: 1e3}\n", 7, 24, "whole number above 0, not '1e3'", ""),
    (API + "retention: {keep_branches: yes}\n", 7, 28, "must be true or false, not 'yes'", ""),
    (API + "retention: {keep_ecs: [prod]}\n", 7, 24, "'prod' is not one of 'deploy.ecs'", ""),
    (API.replace("ghcr.io/acme", "https://ghcr.io"), 3, 11, "is not a registry", "write 'ghcr.io'"),
    (API.replace("ghcr.io/acme", "me:pw@ghcr.io"), 3, 11, "'registry' holds credentials", "docker login"),
    (API.replace("ghcr.io/acme", "acme"), 3, 11, "'acme' is not a registry host", "'docker.io/acme'?"),
    (API.replace("ghcr.io/acme", "ghcr.io/Acme"), 3, 11, "'Acme' cannot begin a repository", "lower case"),
    (
        API.replace("ghcr.io/acme", '"{env.NOPE}"'),
        3,
        12,
        "environment variable 'NOPE' is not set",
        "{env.NOPE:-default}",
    ),
    (API.replace("ghcr.io/acme", '"{env.BAD}"'), 3, 11, "'Not A Registry' is not a registry host", ""),
    (API.replace("ghcr.io/acme", '"x{sha}"'), 3, 13, "placeholder '{sha}' is not read here", "{env.NAME}"),
    (API.replace("ghcr.io/acme", "''"), 3, 11, "'registry' is empty", ""),
    (API.replace("project: shop", "project: Shop"), 2, 10, "'Shop' cannot begin a repository", "write 'shop'"),
    (API.replace("project: shop", "project: 1.10"), 2, 10, '"1.10" must be quoted here', "write '1.10'"),
]

IMAGES: list[tuple[str, int, int, str, str]] = [
    (TOP + "images:\n  Api: {context: a}\n", 5, 3, "'Api' is not a legal image name", "write 'api'"),
    (TOP + "images:\n  on: {context: a}\n", 5, 3, '"on" must be quoted here', "write 'on'"),
    (TOP + "images:\n  api:\n", 5, 7, "'api' must be a mapping, not nothing", ""),
    (TOP + "images:\n  api: {}\n", 5, 8, "'context' is missing in 'images.api'", "directory"),
    (TOP + "images:\n  api: {contxt: a, context: a}\n", 5, 9, "unknown key 'contxt' in", "did you mean 'context'?"),
    (API + "    build_args: {}\n", 7, 5, "unknown key 'build_args'", "did you mean 'args'?"),
    (API.replace("context: a", "context: nope"), 6, 14, "'nope' does not exist", ""),
    (API.replace("context: a", "context: VERSION"), 6, 14, "'VERSION' is a file, not a directory", ""),
    (API.replace("context: a", "context: /etc"), 6, 14, "'/etc' lies outside the repository", "stay inside"),
    (API.replace("context: a", "context: ../other"), 6, 14, "'../other' lies outside the repository", ""),
    (API.replace("context: a", "context: out"), 6, 14, "'out' lies outside the repository", ""),
    (API.replace("context: a", "context: https://x/y.git"), 6, 14, "a remote context has no content tag", ""),
    (API.replace("context: a", 'context: "a{branch}"'), 6, 16, "placeholder '{branch}' is not read here", ""),
    (API.replace("context: a", "context: ''"), 6, 14, "'context' is empty", ""),
    (API.replace("context: a", 'context: "a\\nb"'), 6, 14, "line break or control character", ""),
    (
        API.replace("context: a", "context: empty"),
        6,
        14,
        "Dockerfile 'empty/Dockerfile' does not exist",
        "'dockerfile'",
    ),
    (API + "    dockerfile: a/Dockerfile\n", 7, 17, "'a/a/Dockerfile' does not exist", "relative to the context"),
    (API + "    dockerfile: sub\n", 7, 17, "'a/sub' is a directory", ""),
    (API + "    dockerfile: /etc/passwd\n", 7, 17, "'/etc/passwd' lies outside", ""),
    (API + "    repository: Shop/Api\n", 7, 17, "'Shop/Api' is not a legal repository", "write 'shop/api'"),
    (API + "    repository: ghcr.io/shop\n", 7, 17, "repeats the registry", "write 'shop'"),
    (API + "    repository: shop/api-untrusted\n", 7, 17, "where untrusted runs write", "choose another name"),
    (API + f"    repository: {'a' * 250}\n", 7, 17, "more than 255 characters", ""),
    (API.replace("ghcr.io/acme", "docker.io") + "    repository: api\n", 7, 17, "no namespace", "NAMESPACE/api"),
    (API.replace("project: shop\n", ""), 4, 3, "image 'api' has no repository", "'project'"),
    (API + "    target: 12\n", 7, 13, '"12" must be quoted here', "write '12'"),
    (API + "    target: [x]\n", 7, 13, "'target' must be text, not a list", ""),
    (API + "    target:\n", 7, 12, "'target' has no value", "remove the key"),
    (API + "    platforms: linux/amd64\n", 7, 16, "'platforms' must be a list", "write [linux/amd64]"),
    (API + "    platforms: []\n", 7, 16, "'platforms' is an empty list", ""),
    (API + "    platforms: [linux/amd46]\n", 7, 17, "unknown platform 'linux/amd46'", "'linux/amd64'?"),
    (API + "    platforms: [linux/amd64/v2/x]\n", 7, 17, "unknown platform", ""),
    (API + "    inputs: [VERSIONS]\n", 7, 14, "'VERSIONS' does not exist", ""),
    (API + "    inputs: ['*.txt']\n", 7, 14, "'*.txt' does not exist", "patterns are not read"),
    (API + "    inputs: ['']\n", 7, 14, "'inputs' holds an empty text", ""),
    (API + "    max_age: 90\n", 7, 14, "'90' is not an age", "write 7d"),
    (API + "    max_age: 0d\n", 7, 14, "'0d' is not an age", ""),
    (API + "    cache: redis\n", 7, 12, "'redis' is not a value of 'cache'", ""),
    (API + "    cache: {}\n", 7, 12, "neither 'to' nor 'from'", "cache: none"),
    (API + "    cache: {to: ['a b']}\n", 7, 18, "'a b' is not a BuildKit cache entry", ""),
    (API + "    bases: locked\n", 7, 12, "'locked' is not a value of 'bases'", "did you mean 'lock'?"),
    (API + "    ssh: ['a b']\n", 7, 11, "'a b' is not an ssh id", "default"),
    (API + "    secrets: {npmrc: NPM_TOKEN}\n", 7, 22, "secret 'npmrc' must say where", "{env: NAME}"),
    (API + "    secrets: {npmrc: {}}\n", 7, 22, "exactly one of 'env' and 'file'", ""),
    (API + "    secrets: {npmrc: {env: A, file: VERSION}}\n", 7, 22, "exactly one of", ""),
    (API + "    secrets: {npmrc: {environment: A}}\n", 7, 23, "unknown key 'environment'", "did you mean 'env'?"),
    (API + "    secrets: {npmrc: {env: hunter-2}}\n", 7, 28, "takes the name of an environment variable", "NPM_TOKEN"),
    (API + "    secrets: {npmrc: {file: /home/me/.npmrc}}\n", 7, 29, "lies outside the repository", ""),
    (API + "    aliases: [a/b]\n", 7, 15, "'a/b' cannot become a legal tag", "use only"),
    (API + f"    aliases: [{'a' * 129}]\n", 7, 15, "cannot become a legal tag", "at most 128"),
    (API + "    aliases: [{branch}]\n", 7, 15, "must be text, not a mapping", 'write "{branch}" in quotes'),
    (API + '    aliases: ["x-{brnch}"]\n', 7, 18, "unknown placeholder '{brnch}'", "did you mean 'branch'?"),
    (API + '    aliases: ["{env.STAGE}"]\n', 7, 16, "placeholder '{env.STAGE}' is not read here", ""),
    (API + "    aliases: [1.10]\n", 7, 15, '"1.10" must be quoted here', "write '1.10'"),
]

ARGUMENTS: list[tuple[str, int, int, str, str]] = [
    (API + "    args: [A=1]\n", 7, 11, "'args' must be a mapping, not a list", ""),
    (API + "    args: {A B: x}\n", 7, 12, "'A B' is not a legal build argument name", ""),
    (API + "    args: {A: 3.12}\n", 7, 15, '"3.12" must be quoted here', "write '3.12'"),
    (API + "    args: {A: 0777}\n", 7, 15, '"0777" must be quoted here', "write '0777'"),
    (API + "    args: {A: 1e3}\n", 7, 15, '"1e3" must be quoted here', "write '1e3'"),
    (API + "    args: {A: on}\n", 7, 15, '"on" must be quoted here', "write 'on'"),
    (API + "    args: {A: 12:30:45}\n", 7, 15, '"12:30:45" must be quoted here', "write '12:30:45'"),
    (API + "    args: {A: 2024-01-01}\n", 7, 15, '"2024-01-01" must be quoted here', "write '2024-01-01'"),
    (API + "    args: {A: 0123456}\n", 7, 15, '"0123456" must be quoted here', "write '0123456'"),
    (API + "    args: {API_KEY: 12345}\n", 7, 21, "this value must be quoted here", ""),
    (API + "    args:\n      A:\n", 8, 9, "'A' has no value", 'write "{env.A}" to take it from the environment'),
    (API + "    args: {A: ~}\n", 7, 15, "'A' has no value", ""),
    (API + '    args: {A: "x{"}\n', 7, 17, "a single '{'", "'{{'"),
    (API + "    args: {A: 'x}'}\n", 7, 17, "a single '}'", "'}}'"),
    (API + '    args: {A: "{\\"a\\": 1}"}\n', 7, 15, "unknown placeholder", "literal braces"),
    (API + '    args: {A: "v-{env.NOPE}"}\n', 7, 18, "environment variable 'NOPE' is not set", ""),
    (API + '    args: {A: "{env.LINES}"}\n', 7, 16, "'LINES' holds a line break", ""),
    (API + '    args: {A: "{env.NPM_TOKEN}"}\n', 7, 16, "'NPM_TOKEN' looks like a secret", "secrets"),
    (API + f"    args: {{A: {'x' * 32769}}}\n", 7, 15, "'A' has more than 32768 characters", ""),
    (API + "    args: {SHA: x}\n    volatile_args: [SHAA]\n", 8, 21, "'SHAA' is not one of 'args'", "'SHA'?"),
]

ACROSS: list[tuple[str, int, int, str, str]] = [
    (API + "  b: {context: b, repository: shop/api}\n", 7, 31, "'api' and 'b' have one repository", "its own"),
    (API + "  a.b: {context: a}\n  a-b: {context: a}\n", 8, 3, "'a.b' and 'a-b' differ only in", "rename"),
    (API + "    contexts: {base: 'image:bse'}\n  base: {context: b}\n", 7, 22, "'image:bse' names no image", "'base'?"),
    (API + "    contexts: {me: 'image:api'}\n", 7, 20, "images build upon each other: api → api", ""),
    (
        API + "    contexts: {x: 'image:b'}\n  b: {context: b, contexts: {y: 'image:api'}}\n",
        8,
        33,
        "images build upon each other: api → b → api",
        "",
    ),
    (API + "    contexts: {base: 'target:b'}\n", 7, 22, "is none of: a directory,", "write 'image:b'"),
    (API + "    contexts: {base: 'https://x'}\n", 7, 22, "is none of: a directory,", ""),
    (API + "    contexts: {base: 'docker-image://A b'}\n", 7, 22, "is not an image reference", ""),
    (API + "    contexts: {base: nope}\n", 7, 22, "'nope' does not exist", ""),
    (API + "    contexts: {base: 'image:{sha}'}\n", 7, 29, "placeholder '{sha}' is not read here", ""),
    (API + "    secrets: {n: [env]}\n", 7, 18, "'n' must be a mapping, not a list", ""),
    (API + "    secrets: {n: {env: ''}}\n", 7, 24, "'env' is empty", ""),
    (API + "    retention: {}\n", 7, 5, "unknown key 'retention' in 'images.api'", ""),
    (API + "deploy: {ecs: {prod: }}\n", 7, 22, "'prod' must be a mapping, not nothing", ""),
    (API + "deploy: {ecs: {prod: {cluster: c, services: {s: x}}}}\n", 7, 49, "'s' must be a mapping, not a single", ""),
    (
        API + "deploy: {ecs: {p: {cluster: c, services: {s: {task_definition: task.json, containers: {a: 1}}}}}}\n",
        7,
        91,
        '"1" must be quoted here',
        "",
    ),
    (API + "deploy: {esc: {}}\n", 7, 10, "unknown key 'esc' in 'deploy'", "did you mean 'ecs'?"),
    (API + "deploy: {ecs: {prod: {services: {}}}}\n", 7, 22, "'cluster' is missing in 'deploy.ecs.prod'", ""),
    (API + "deploy: {ecs: {prod: {cluster: a b, services: {}}}}\n", 7, 32, "'a b' is no cluster name or ARN", ""),
    (ECS + "          task_definition: task.json\n", 13, 11, "'containers' is missing", "CONTAINER: IMAGE"),
    (
        ECS + "          task_definition: task.jsn\n          containers: {api: api}\n",
        13,
        28,
        "'task.jsn' does not exist",
        "",
    ),
    (
        ECS + "          task_definition: task.json\n          containers: {api: apo}\n",
        14,
        29,
        "'apo' is not one of 'images'",
        "did you mean 'api'?",
    ),
]


@pytest.mark.parametrize(
    ("data", "line", "column", "message", "suggestion"), [*DOCUMENTS, *TOPS, *IMAGES, *ARGUMENTS, *ACROSS]
)
def test_problem_is_reported_where_it_stands(
    data: str | bytes, line: int, column: int, message: str, suggestion: str
) -> None:
    """Each mistake gives a problem at its own line and column, in plain words, with a suggestion."""
    found = problems(data)
    assert [one for one in found if one[:2] == (line, column) and message in one[2] and suggestion in one[3]], found


ONLY_ONE = [*DOCUMENTS[6:14], *TOPS[12:28], *IMAGES, *ARGUMENTS, *ACROSS]


@pytest.mark.parametrize(("data", "line", "column", "message", "suggestion"), ONLY_ONE)
def test_one_mistake_gives_one_problem(
    data: str | bytes, line: int, column: int, message: str, suggestion: str
) -> None:
    """No mistake is reported a second time through what it leads to."""
    assert len(problems(data)) == 1


def test_report_holds_every_problem_sorted_by_position() -> None:
    """One report for the whole file, in the form editors jump to."""
    data = """\
        version: 1
        project: shop
        registry: ghcr.io/acme
        defaults:
          platforms: [linux/amd46]
        images:
          base:
            context: base
          api:
            contex: a
            args:
              PYTHON_VERSION: 3.12
            volatile_args: [GIT_SHA]
            contexts: {base: "image:bass"}
          worker:
            context: a
            repository: shop/base
            dockerfile: Containerfile
        retention: {keep_last: many}
        """
    with pytest.raises(ConfigError) as caught:
        load(
            textwrap.dedent(data).encode(),
            "ci/pipeline-kit.yaml",
            environ={},
            exists=lambda path: TREE.get(path, PathKind.MISSING),
        )
    expected = """\
        10 problems in the configuration
          ci/pipeline-kit.yaml:5:15: unknown platform 'linux/amd46' (did you mean 'linux/amd64'?)
          ci/pipeline-kit.yaml:8:14: 'base' does not exist
          ci/pipeline-kit.yaml:10:5: 'context' is missing in 'images.api' (write the directory that is sent to the build)
          ci/pipeline-kit.yaml:10:5: unknown key 'contex' in 'images.api' (did you mean 'context'?)
          ci/pipeline-kit.yaml:12:23: "3.12" must be quoted here (write '3.12')
          ci/pipeline-kit.yaml:13:21: 'GIT_SHA' is not one of 'args'
          ci/pipeline-kit.yaml:14:22: 'image:bass' names no image of this file (did you mean 'base'?)
          ci/pipeline-kit.yaml:17:17: images 'base' and 'worker' have one repository: 'acme/shop/base' (give each image its own)
          ci/pipeline-kit.yaml:18:17: Dockerfile 'a/Containerfile' does not exist ('dockerfile' is relative to the context)
          ci/pipeline-kit.yaml:19:24: 'keep_last' must be a whole number above 0, not 'many'
        """  # noqa: E501 - the report as people see it
    expected = textwrap.dedent(expected).rstrip()
    assert str(caught.value) == expected
    assert caught.value.exit_code == 2


def test_report_ends_after_a_hundred_problems() -> None:
    """A file that is wrong throughout gives a report that can be read, and says that it is not all."""
    text = API + "".join(f"  i{number}: {{context: nope{number}}}\n" for number in range(300))
    with pytest.raises(ConfigError) as caught:
        load(text.encode(), "f", environ={}, exists=lambda path: TREE.get(path, PathKind.MISSING))
    assert len(caught.value.problems) == 100
    assert caught.value.hint == "only the first 100 problems are shown"


def test_shared_mistake_counts_once() -> None:
    """A mistake behind an anchor is one problem, however many images use it."""
    text = (
        TOP + "x-common: &common {context: a, target: 12}\nimages:\n" + "".join(f"  i{n}: *common\n" for n in range(9))
    )
    assert [(line, message) for line, _, message, _ in problems(text)] == [(4, '"12" must be quoted here')]


def test_secrets_never_stand_in_a_report() -> None:
    """What may be a password is not repeated in the message about it."""
    text = (
        API + '    args: {DB_PASSWORD: 8675309, A: "{env.NPM_TOKEN}"}\n    secrets: {x: hunter-2, y: {env: hunter-3}}\n'
    )
    text = text.replace("ghcr.io/acme", "me:hunter-1@ghcr.io")
    report = repr(problems(text))
    assert len(problems(text)) == 5
    assert not [word for word in ("8675309", "s3cret", "hunter") if word in report]


def test_control_characters_reach_no_message() -> None:
    """A report cannot move the cursor or colour the terminal."""
    text = API.replace("  api:", '  "a\\e[31m\\r\\u202e":')
    (message,) = [one[2] for one in problems(text)]
    assert message.isprintable()
    assert "\\x1b" in message
