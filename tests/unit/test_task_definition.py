from __future__ import annotations

import contextlib
import copy
import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_kit.errors import TaskDefinitionError
from pipeline_kit.task_definition import containers, render

API = "registry.example/shop/api@sha256:" + "a" * 64
WEB = "registry.example/shop/web@sha256:" + "b" * 64

TYPICAL = """{
    "family": "shop",
    "cpu" : "256",   "futureKey": {"x": [1.0, 1e400, 12345678901234567890, -0.0]},
    "containerDefinitions": [
        {
            "name": "api",
            "image": "placeholder",
            "environment": [{"name": "image", "value": "caf\\u00e9 käse 🐳 \\/"}]
        },
        { "image":"keep\\/me:1", "name": "proxy" }
    ],
    "tags": []
}
"""


def test_only_the_named_image_changes_and_every_other_byte_stays() -> None:
    """The edit touches the span of one string: indentation, escapes, number spelling and the last newline survive."""
    rendered = render(TYPICAL.encode(), "api.json", {"api": API})
    assert rendered.decode() == TYPICAL.replace('"placeholder"', f'"{API}"')


def test_several_containers_are_set_at_once_in_any_order() -> None:
    """Two images, named in another order than the file's."""
    rendered = render(TYPICAL.encode(), "api.json", {"proxy": WEB, "api": API})
    assert rendered.decode() == TYPICAL.replace('"placeholder"', f'"{API}"').replace('"keep\\/me:1"', f'"{WEB}"')


def test_a_byte_order_mark_and_crlf_survive() -> None:
    """Files written on Windows keep their mark and their line ends."""
    data = b"\xef\xbb\xbf" + TYPICAL.replace("\n", "\r\n").encode()
    rendered = render(data, "api.json", {"api": API})
    assert rendered == data.replace(b'"placeholder"', f'"{API}"'.encode())


def test_an_image_that_is_already_right_leaves_the_file_alone() -> None:
    """An equal value in another spelling is not rewritten."""
    assert render(TYPICAL.encode(), "api.json", {"proxy": "keep/me:1"}) == TYPICAL.encode()


def test_the_answer_of_describe_task_definition_is_accepted() -> None:
    """The wrapped form is edited inside its wrapper; tags beside it stay."""
    wrapped = f'{{"taskDefinition": {TYPICAL}, "tags": [{{"key": "a", "value": "b"}}]}}'
    rendered = render(wrapped.encode(), "api.json", {"api": API})
    assert rendered.decode() == wrapped.replace('"placeholder"', f'"{API}"')
    assert containers(wrapped.encode(), "api.json") == ("api", "proxy")


@pytest.mark.parametrize(
    ("container", "expected"),
    [
        ('{"name":"api","cpu":0}', '{"name":"api","image":"IMAGE","cpu":0}'),
        ('{"name": "api", "cpu": 0}', '{"name": "api", "image": "IMAGE", "cpu": 0}'),
        ('{"name": "api"}', '{"name": "api", "image": "IMAGE"}'),
        ('{"name":"api"}', '{"name":"api","image":"IMAGE"}'),
        ('{\n  "name": "api"\n}', '{\n  "name": "api",\n  "image": "IMAGE"\n}'),
        ('{\n  "cpu" : 0,\n  "name" : "api"\n}', '{\n  "cpu" : 0,\n  "name" : "api",\n  "image" : "IMAGE"\n}'),
        ('{ "name": "api"\n, "cpu": 0 }', '{ "name": "api", "image": "IMAGE"\n, "cpu": 0 }'),
    ],
)
def test_a_missing_image_is_inserted_after_the_name_in_the_files_style(container: str, expected: str) -> None:
    """Spacing and line breaks of the neighbours are taken over."""
    rendered = render(f'{{"containerDefinitions": [{container}]}}'.encode(), "t.json", {"api": "IMAGE"})
    assert rendered.decode() == f'{{"containerDefinitions": [{expected}]}}'


def test_an_image_key_in_another_spelling_is_still_the_image() -> None:
    r"""``im\u0061ge`` is the key ``image``: no second one is added."""
    data = b'{"containerDefinitions": [{"n\\u0061me": "a\\u0070i", "im\\u0061ge": ""}]}'
    assert render(data, "t.json", {"api": "X"}) == data.replace(b'""', b'"X"')


@pytest.mark.parametrize(
    ("text", "where", "message"),
    [
        ("", "1:1", "expected a value, found the end"),
        ('{\n  "a": tru\n}', "2:8", "expected a value, found 't'"),
        ('{\n  "a": 1,\n}', "2:9", "a comma before '}'"),
        ('{"a": [1,]}', "1:9", "a comma before ']'"),
        ('{"a": 1 "b": 2}', "1:9", "expected ',' or '}', found '\"'"),
        ('{"a": [1 2]}', "1:10", "expected ',' or ']', found '2'"),
        ("{'a': 1}", "1:2", "expected a key in double quotes"),
        ('{"a" 1}', "1:6", "expected ':', found '1'"),
        ('{"a": NaN}', "1:7", "expected a value, found 'N'"),
        ('{"a": 01}', "1:8", "expected ',' or '}', found '1'"),
        ('{"a": "x\ny"}', "1:9", "a raw control character in a string"),
        ('{"a": "\\x41"}', "1:8", "a bad escape in a string"),
        ('{"a": "open', "1:7", "this string has no end"),
        ("{} x", "1:4", "something follows the end"),
        ('{"a": 1, "b": {"c": 1, "\\u0063": 2}}', "1:24", "the key 'c' occurs twice"),
        ("[1]", "1:1", "a task definition is a JSON object"),
        ('\n {"family": "x"}', "2:2", "no containerDefinitions"),
        ('{"taskDefinition": {}}', "1:1", "no containerDefinitions"),
        ('{"taskDefinition": []}', "1:1", "no containerDefinitions"),
        ('{"containerDefinitions": {}}', "1:26", "containerDefinitions is not a list"),
        ('{"containerDefinitions": []}', "1:26", "containerDefinitions is empty"),
        ('{"containerDefinitions": [1]}', "1:27", "containerDefinitions[0] is not an object"),
        ('{"containerDefinitions": [{}]}', "1:27", "containerDefinitions[0] has no name"),
        ('{"containerDefinitions": [{"name": 1}]}', "1:36", "the name of containerDefinitions[0] is not a string"),
        ('{"containerDefinitions": [{"name": "a"},\n{"name": "a"}]}', "2:10", "two containers are called 'a'"),
        ('{"containerDefinitions": [{"name": "api", "image": 1}]}', "1:52", "the image of container 'api' is not a"),
    ],
)
def test_what_is_wrong_is_said_with_file_line_and_column(text: str, where: str, message: str) -> None:
    """Every refusal names the very place."""
    with pytest.raises(TaskDefinitionError) as caught:
        render(text.encode(), "ecs/api.json", {"api": API})
    assert caught.value.message.startswith(f"ecs/api.json:{where}: ")
    assert message in caught.value.message
    assert caught.value.exit_code == 2


def test_text_that_is_not_utf8_is_refused_at_its_first_bad_byte() -> None:
    """UTF-16 and Latin-1 files are named as such, not read as something else."""
    with pytest.raises(TaskDefinitionError, match=r"t\.json:2:3: not JSON: this is not UTF-8"):
        containers(b'{\n "\xe4": 1}', "t.json")
    with pytest.raises(TaskDefinitionError, match=r"t\.json:1:1: not JSON"):
        containers("{}".encode("utf-16"), "t.json")


@pytest.mark.parametrize("opening", ["[", '{"a":', '{"containerDefinitions":['])
def test_hostile_nesting_is_refused_without_exhausting_the_stack(opening: str) -> None:
    """A hundred thousand levels end in a message."""
    with pytest.raises(TaskDefinitionError, match="nested deeper than 100 levels"):
        containers(opening.encode() * 100_000, "t.json")


def test_long_hostile_strings_are_scanned_in_linear_time() -> None:
    """A megabyte of escapes without an end does not backtrack."""
    with pytest.raises(TaskDefinitionError, match="this string has no end"):
        containers(b'{"a": "' + b'\\"' * 500_000, "t.json")


def test_a_missing_container_is_reported_with_what_there_is() -> None:
    """Every missing name at once, each with its nearest neighbour and the list."""
    with pytest.raises(TaskDefinitionError) as caught:
        render(TYPICAL.encode(), "api.json", {"apii": API, "xyz": WEB, "api": API})
    first, second = caught.value.message.splitlines()
    assert first.startswith("api.json:5:9: no container is called 'apii' (did you mean 'api'? ")
    assert second == "api.json:5:9: no container is called 'xyz' (containers here: 'api', 'proxy')"


@pytest.mark.parametrize("name", ["ecs/api.yaml", "API.YML"])
def test_yaml_is_refused_by_name(name: str) -> None:
    """The message says what to do instead."""
    with pytest.raises(TaskDefinitionError, match="save it as JSON"):
        containers(b"family: x\n", name)


def test_hostile_names_are_escaped_in_messages() -> None:
    """No control code or bidirectional mark of the file reaches the terminal."""
    data = json.dumps({"containerDefinitions": [{"name": "\x1b[2J\u202e\ud800\n"}]}).encode()
    with pytest.raises(TaskDefinitionError) as caught:
        render(data, "t.json", {"api": API})
    assert re.search(r"[\x00-\x1f\u202e\ud800]", caught.value.message) is None


_NAMES = st.text(st.characters(codec="utf-8"), min_size=1, max_size=8)
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | _NAMES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_NAMES, inner, max_size=3),
    max_leaves=8,
)


@st.composite
def _documents(draw: st.DrawFn) -> tuple[dict[str, Any], str]:
    names = draw(st.lists(_NAMES, min_size=1, max_size=4, unique=True))
    definitions = []
    for name in names:
        container = dict(draw(st.dictionaries(_NAMES, _VALUES, max_size=3)))
        container.pop("image", None)
        container["name"] = name
        if draw(st.booleans()):
            container["image"] = draw(_NAMES)
        definitions.append(container)
    document = {**draw(st.dictionaries(_NAMES, _VALUES, max_size=3)), "containerDefinitions": definitions}
    if draw(st.booleans()):
        document = {"taskDefinition": document, "tags": []}
    text = json.dumps(
        document,
        indent=draw(st.sampled_from([None, 0, 2, "\t"])),
        ensure_ascii=draw(st.booleans()),
        separators=draw(st.sampled_from([None, (",", ":"), (" ,", " : ")])),
    )
    return document, text


@given(_documents(), st.data())
def test_rendering_changes_just_the_images_and_is_idempotent(
    pair: tuple[dict[str, Any], str], data: st.DataObject
) -> None:
    """As values: equal but for the images. As bytes: a second rendering finds nothing to do."""
    document, text = pair
    expected = copy.deepcopy(document)
    definitions = expected.get("taskDefinition", expected)["containerDefinitions"]
    chosen = data.draw(st.sets(st.sampled_from([container["name"] for container in definitions])))
    images = {name: f"host/{number}@sha256:{'0' * 64}" for number, name in enumerate(sorted(chosen))}
    for container in definitions:
        if container["name"] in images:
            container["image"] = images[container["name"]]
    once = render(text.encode(), "t.json", images)
    assert json.loads(once) == expected
    assert render(once, "t.json", images) == once
    assert containers(once, "t.json") == tuple(container["name"] for container in definitions)


@given(st.binary(max_size=60) | st.text('{}[]",:\\u0e-1tf nul', max_size=40).map(str.encode))
def test_arbitrary_bytes_end_in_a_value_or_in_our_error(data: bytes) -> None:
    """Nothing but TaskDefinitionError leaves the scanner."""
    with contextlib.suppress(TaskDefinitionError):
        assert containers(data, "t.json")


@given(_VALUES)
def test_the_scanner_accepts_what_the_standard_library_writes(value: object) -> None:
    """Any JSON value is legal under an unknown key."""
    text = json.dumps({"other": value, "containerDefinitions": [{"name": "api"}]})
    assert containers(text.encode(), "t.json") == ("api",)
