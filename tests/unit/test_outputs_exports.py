"""The file of exported variables: what a shell has after reading it, whatever the values hold."""

from __future__ import annotations

import json
import os
import subprocess
from typing import TYPE_CHECKING

import pytest
from fakes.sample_report import HOSTILE, image, sample
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline_kit.errors import OutputFailed
from pipeline_kit.outputs.exports import EXPORTS_LIMIT, exported_variables, format_exports, write_exports
from pipeline_kit.outputs.github_files import github_outputs
from pipeline_kit.outputs.report import RunReport
from pipeline_kit.plan import Status

if TYPE_CHECKING:
    from pathlib import Path

_ATTACKS = ("'; touch /tmp/owned; '", "$(id)", "`id`", "${IFS}", "!!", "\\'", "a'b\"c")
_HOLDABLE = [text for text in (*HOSTILE, *_ATTACKS) if "\0" not in text and "\ud800" not in text]
"""What a variable can hold at all."""


def _read_by(shell: str, text: str, *names: str) -> list[str]:
    """Return variables that a child of ``shell`` sees after the shell has read ``text``."""
    show = "\n".join(f"printenv {name}; printf '\\0'" for name in names)
    done = subprocess.run(
        [shell],
        input=f"{text}{show}\n".encode("utf-8", "surrogateescape"),
        capture_output=True,
        check=True,
        env={"PATH": os.environ["PATH"]},
    )
    assert done.stderr == b""
    return [part.removesuffix("\n") for part in done.stdout.decode("utf-8", "surrogateescape").split("\0")[:-1]]


@pytest.mark.parametrize("shell", ["bash", "sh"])
def test_a_shell_has_the_step_outputs_as_variables(shell: str) -> None:
    """Names to references by digest, and what was new; JSON on one line each."""
    report = sample()
    outputs = github_outputs(report)
    found = _read_by(
        shell, format_exports(exported_variables(report)), "PK_IMAGES", "PK_BUILT", "PK_SKIPPED", "PK_DIGESTS"
    )
    assert found == [outputs[name] for name in ("images", "built", "skipped", "digests")]
    assert all("@sha256:" in pinned for pinned in json.loads(found[0]).values())


@pytest.mark.parametrize("shell", ["bash", "sh"])
@pytest.mark.parametrize("text", _HOLDABLE)
def test_nothing_in_a_value_is_carried_out(shell: str, text: str) -> None:
    """Quotes, expansions, substitutions and line ends reach the variable as they are."""
    assert _read_by(shell, format_exports({"PK_IMAGES": text}), "PK_IMAGES") == [text]


@settings(max_examples=30, deadline=None)
@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=60))
def test_any_text_survives_the_shell(text: str) -> None:
    """One byte more or less would be another digest."""
    assert _read_by("sh", format_exports({"PK_X": f"{text}."}), "PK_X") == [f"{text}."]


def test_a_path_that_looks_like_a_command_is_a_value(tmp_path: Path) -> None:
    """The one value that is not JSON is a file's name."""
    report = sample(hostile="$(touch owned)")
    write_exports(tmp_path / "exports", report)
    text = (tmp_path / "exports").read_text(encoding="utf-8")
    assert _read_by("sh", text, "PK_TASK_DEFINITION") == [exported_variables(report)["PK_TASK_DEFINITION"]]


def test_only_what_the_registry_holds_is_exported() -> None:
    """A failed image has no digest to hand on."""
    report = RunReport((image("api", Status.FAILED), image("web", Status.BLOCKED)), exit_code=1)
    found = exported_variables(report)
    assert (found["PK_IMAGES"], found["PK_BUILT"], found["PK_SKIPPED"]) == ("{}", "[]", "[]")


def test_values_too_large_for_a_shell_are_left_out_and_told(tmp_path: Path) -> None:
    """A variable of 128 KiB would keep every later program from starting; the small values are there all the same."""
    digest = f"sha256:{'a' * 64}"
    report = RunReport(tuple(image(f"service-{number}", Status.SKIPPED, digest=digest) for number in range(900)))
    with pytest.raises(OutputFailed, match="PK_IMAGES") as failed:
        write_exports(tmp_path / "exports", report)
    assert "PK_SKIPPED" not in failed.value.message
    text = (tmp_path / "exports").read_text(encoding="utf-8")
    assert len(text) < EXPORTS_LIMIT
    assert len(json.loads(_read_by("sh", text, "PK_SKIPPED")[0])) == 900
