from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from fakes.github_runner import runner_acts, runner_reads
from fakes.sample_report import HOSTILE, digest, image, sample
from hypothesis import given
from hypothesis import strategies as st

from pipeline_kit.config.model import Location
from pipeline_kit.errors import OutputFailed
from pipeline_kit.outputs.github import Annotation, group, mask, report_annotations, stopped
from pipeline_kit.outputs.github_files import format_outputs, github_outputs, write_outputs, write_summary
from pipeline_kit.outputs.markdown import SUMMARY_LIMIT
from pipeline_kit.outputs.report import RunReport, TaskDefinitionResult
from pipeline_kit.outputs.sanitize import visible
from pipeline_kit.plan import Status
from pipeline_kit.values import replace

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


_NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_-]{0,8}", fullmatch=True)
_VALUES = st.text(st.characters(exclude_categories=["Cs"]), max_size=40) | st.sampled_from(
    [text for text in HOSTILE if "\ud800" not in text]
)


@given(st.dictionaries(_NAMES, _VALUES, max_size=5))
def test_the_runner_reads_back_exactly_what_was_written(outputs: dict[str, str]) -> None:
    """Any value, and no output that was not meant."""
    assert runner_reads(format_outputs(outputs)) == outputs


def test_delimiters_are_random_and_not_in_the_value() -> None:
    """Two values never share one, so a value cannot end another's."""
    first, second = (line for line in format_outputs({"a": "x", "b": "y"}).split("\n") if "<<" in line)
    assert first.removeprefix("a") != second.removeprefix("b")
    assert len(first) > len("a<<ghadelimiter_") + 30


@pytest.mark.parametrize("name", ["", "a b", "a=b", "a<<b", "a\nb", "1a", "-a", "ä"])
def test_names_are_single_words(name: str) -> None:
    """A name with a newline would be an output of its own."""
    with pytest.raises(OutputFailed, match="not a legal output name"):
        format_outputs({name: "x"})


def test_outputs_of_a_run() -> None:
    """Only what the registry holds; the matrix holds what is new."""
    outputs = github_outputs(sample())
    name = "registry.example:5000/shop"
    assert json.loads(outputs["images"]) == {
        "api": f"{name}/api@{digest('a')}",
        "web": f"{name}/web@{digest('b')}",
        "jobs": f"{name}/jobs@{digest('c')}",
        "many": f"{name}/many@{digest('d')}",
    }
    assert json.loads(outputs["digests"])["web"] == digest("b")
    assert json.loads(outputs["built"]) == ["api", "jobs", "many"]
    assert json.loads(outputs["skipped"]) == ["web"]
    assert json.loads(outputs["matrix"])["include"][0] == {
        "image": "api",
        "tag": "c-0123456789abcdef01234567",
        "reference": f"{name}/api@{digest('a')}",
        "digest": digest("a"),
    }
    assert outputs["task-definition"] == "out/api.json"


def test_nothing_unpushed_is_ever_an_output() -> None:
    """A build without pushing, and a failure that left a digest behind, name no image."""
    report = RunReport((image("api", Status.BUILT), image("web", Status.FAILED, digest=digest("a"))))
    outputs = github_outputs(report)
    assert (outputs["images"], outputs["built"], outputs["matrix"]) == ("{}", "[]", '{"include": []}')


@pytest.mark.parametrize(
    ("paths", "expected"),
    [((), ""), ((None,), ""), (("a.json",), "a.json"), (("a\nb",), '"a\\nb"')],
)
def test_the_task_definition_output_is_one_line(paths: tuple[str | None, ...], expected: str) -> None:
    """A path, or JSON where the path is not one printable line."""
    results = tuple(TaskDefinitionResult("prod", "api", path) for path in paths)
    assert github_outputs(replace(sample(), task_definitions=results))["task-definition"] == expected


def test_several_task_definitions_are_a_mapping() -> None:
    """By environment and service, since a service may be in two environments."""
    results = (TaskDefinitionResult("prod", "api", "p.json"), TaskDefinitionResult("test", "api", "t.json"))
    output = github_outputs(replace(sample(), task_definitions=results))["task-definition"]
    assert json.loads(output) == {"prod/api": "p.json", "test/api": "t.json"}


def test_outputs_are_appended_after_an_unfinished_line(tmp_path: Path) -> None:
    """``echo -n x=1 >> $GITHUB_OUTPUT`` earlier in the step does not swallow the first output."""
    path = tmp_path / "output"
    path.write_text("x=1")
    write_outputs(path, sample())
    read = runner_reads(path.read_text())
    assert read == {"x": "1", **github_outputs(sample())}


@pytest.mark.parametrize("write", [write_outputs, write_summary])
@pytest.mark.parametrize(
    ("path", "reason"), [("/dev/full", "No space left"), ("", "Is a directory"), ("no/x", "No such")]
)
def test_an_output_that_cannot_be_written_says_what_was_pushed(
    tmp_path: Path, write: Callable[[Path, RunReport], None], path: str, reason: str
) -> None:
    """The work is not lost from sight: names and digests of what is in the registry come first."""
    with pytest.raises(OutputFailed, match=f"^pushed api@{digest('a')}, .*not written: .*{reason}") as caught:
        write(tmp_path / path, sample())
    assert caught.value.exit_code == 1


def test_the_summary_leaves_room_for_what_the_step_wrote_before(tmp_path: Path) -> None:
    """GitHub's limit is for the whole file."""
    path = tmp_path / "summary"
    path.write_bytes(b"x" * (SUMMARY_LIMIT - 600) + b"\n")
    write_summary(path, sample())
    assert path.stat().st_size <= SUMMARY_LIMIT
    assert "cut here" in path.read_text()


def test_a_summary_with_a_lone_surrogate_is_written(tmp_path: Path) -> None:
    """File names that are not UTF-8 arrive as surrogates."""
    write_summary(tmp_path / "summary", sample(hostile="\udcff"))
    assert "udcff" in (tmp_path / "summary").read_text()


@pytest.mark.parametrize(
    ("annotation", "command"),
    [
        (Annotation("error", "100%\r\nnext"), r"::error::100%25\r%0Anext"),
        (Annotation("warning", "m", title="a:b,c"), "::warning title=a%3Ab%2Cc::m"),
        (Annotation("error", "m", file="a,b:c", line=3, column=2), "::error file=a%2Cb%3Ac,line=3,col=2::m"),
        (Annotation("notice", "m", line=3, column=2), "::notice::m"),
        (Annotation("error", "m", file="f", column=2), "::error file=f::m"),
        (Annotation("error", "\x1b[31mx\u202e"), "::error::\\x1b[31mx\\u202e"),
        (Annotation("error", "m", title="a\n::error::b"), "::error title=a\\n%3A%3Aerror%3A%3Ab::m"),
    ],
)
def test_annotations_are_one_line_with_escaped_properties(annotation: Annotation, command: str) -> None:
    """No part of a message can end the command or start a property."""
    assert annotation.format() == command


@given(_VALUES, _VALUES, _VALUES)
def test_an_annotation_is_one_command_that_decodes_to_its_message(message: str, title: str, file: str) -> None:
    """As the runner undoes the escaping."""
    text = Annotation("error", message, title=title, file=file, line=1).format()
    assert "\n" not in text
    assert "\r" not in text
    properties, _, data = text.removeprefix("::error ").removeprefix("::error").partition("::")
    assert data.replace("%0D", "\r").replace("%0A", "\n").replace("%25", "%") == visible(message)
    assert {entry.partition("=")[0] for entry in properties.split(",") if entry} <= {"file", "line", "title"}


def test_failed_images_are_annotated_at_their_line() -> None:
    """One error at the Dockerfile's line, one warning."""
    error, warning = report_annotations(sample())
    assert error.format() == (
        "::error file=services/worker/Dockerfile,line=7,col=3,title=worker failed::the Dockerfile changed"
    )
    assert warning.level == "warning"


def test_more_than_ten_annotations_are_counted() -> None:
    """GitHub shows ten; the tenth says how many there are."""
    report = RunReport(tuple(image(f"i{number}", Status.FAILED, error="x") for number in range(30)))
    found = report_annotations(report)
    assert len(found) == 10
    assert found[-1].message == "21 more images failed: see the log"


@pytest.mark.parametrize("hostile", HOSTILE)
def test_build_output_in_a_group_runs_no_command(hostile: str) -> None:
    """The runner acts on our group and on nothing else."""
    lines = list(group(f"api {hostile}", [hostile, "x"]))
    acted = runner_acts(lines)
    assert len(acted) == 2
    assert acted[0].startswith("::group::api ")
    assert acted[1] == "::endgroup::"


def test_the_stop_token_differs_each_time() -> None:
    """Output that was seen once cannot resume commands the next time."""
    assert next(iter(stopped([]))) != next(iter(stopped([])))


@pytest.mark.parametrize(
    ("value", "commands"),
    [
        ("s3cret%", ("::add-mask::s3cret%25",)),
        ("one\r\ntwo\n\none", ("::add-mask::one", "::add-mask::two")),
        ("", ()),
        (" \n", ()),
    ],
)
def test_masks_hide_every_line_and_never_nothing(value: str, commands: tuple[str, ...]) -> None:
    """The runner matches lines; an empty mask would hide everything."""
    assert mask(value) == commands


def test_outputs_beyond_the_limit_are_left_out_whole(tmp_path: Path) -> None:
    """Never half a JSON document; the small ones that jobs are guarded by come first; which are missing is said."""
    images = tuple(image(f"image{number:05}", Status.BUILT, digest=digest("a")) for number in range(3000))
    with pytest.raises(OutputFailed, match="not written: the outputs images, matrix"):
        write_outputs(tmp_path / "out", RunReport(images))
    found = runner_reads((tmp_path / "out").read_text())
    assert set(found) == {"digests", "built", "skipped", "task-definition"}
    assert len(json.loads(found["digests"])) == len(json.loads(found["built"])) == 3000


def test_a_warning_with_a_place_is_shown_there() -> None:
    """At its file, line and column; one without stays at the job."""
    report = replace(sample(), warnings=("x", "y"), located={"x": Location("sub/pipeline-kit.yaml", 3, 5)})
    shown = [item.format() for item in report_annotations(report) if item.level == "warning"]
    assert shown == [
        "::warning file=sub/pipeline-kit.yaml,line=3,col=5,title=pipeline-kit::x",
        "::warning title=pipeline-kit::y",
    ]
