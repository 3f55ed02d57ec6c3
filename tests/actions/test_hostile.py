"""Texts from outside through inputs, branch names and events: nothing is carried out, no output is forged.

One workflow has a step for each way in; every step may fail, none may do what the text says. What the commands make of
such texts is tested in tests/cli/test_hostile.py; here it is the actions' scripts, and once the whole.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from fakes.act_runner import OURS, load_action

if TYPE_CHECKING:
    from pathlib import Path

    from fakes.act_runner import Act, ActRun
    from fakes.main_job import Job

pytestmark = [pytest.mark.engine, pytest.mark.registry, pytest.mark.xdist_group("engine")]
PAYLOADS = (
    "x\n::set-output name=pwned::1\n::add-path::/pwned\n##[set-env name=pwned;]1\npwned=1\npwned<<EOF\n1\nEOF\n",
    "$(touch pwned) `touch pwned`; touch pwned # && touch pwned '\"\\",
    "${{ secrets.GITHUB_TOKEN }} %0A::error::pwned\r\n::set-env name=pwned::1 \x1b[2Jpwned \u202epwned",
    "--upload-pack=touch pwned --yes --force -C / *",
)
_OPTIONS = {  # one argument, whatever the text is
    "build": {
        "config": "--config",
        "platform": "--platform=",
        "plan": "--plan=",
        "jobs": "--jobs=",
        "builder": "--builder=",
    },
    "plan": {"working-directory": "-C", "levels": "--levels=", "out": "--out=", "verify": "--verify="},
    "promote": {"to": "--to=", "from": "--from=", "commit": "--commit="},
    "deploy": {"revision": "--revision=", "timeout": "--timeout="},
    "prune": {},
    "setup": {"username": "--username="},
}
_WORDS = {
    "build": ("images", "join"),
    "plan": ("images",),
    "promote": ("images",),
    "deploy": ("services",),
    "prune": ("images",),
}
_EACH = {"plan": {"runners": "--runner="}, "prune": {"manifests": "--manifest="}}
_REFUSED = {"build": ("force", "push"), "prune": ("delete",), "setup": ("program", "cache")}
_REQUIRED = {
    "promote": {"to": "other"},
    "deploy": {"services": "prod/shop"},
    "setup": {"registry": "registry.invalid", "password": "x", "username": "ann"},
}
_REAL = {
    "build": ("images", "platform"),
    "plan": ("runners", "working-directory"),
    "promote": ("to",),
    "deploy": ("services",),
    "prune": ("skip-refs",),
}
_INTERNAL = {"path", "key", "wanted", "markdown"}


def _ways() -> list[tuple[str, str]]:
    found = [(action, name) for kind in (_OPTIONS, _EACH) for action, names in kind.items() for name in names]
    found.append(("plan", "comment-file"))
    return found + [(action, name) for kind in (_WORDS, _REFUSED) for action, names in kind.items() for name in names]


def _run(act: Act, job: Job, ways: list[tuple[str, str]], payload: str, env: dict[str, str] | None = None) -> ActRun:
    """Run a workflow with a step for each way in, for a fork's pull request that holds the text everywhere."""
    steps = ""
    for action, name in ways:
        given = {**_REQUIRED.get(action, {}), name: "${{ github.event.text }}"}
        lines = "".join(f"          {key}: {value!r}\n" for key, value in given.items())
        steps += f"      - uses: {OURS}/actions/{action}@COMMIT\n        id: {action}-{name}\n"
        steps += f"        continue-on-error: true\n        with:\n{lines}"
    job.write(
        ".github/workflows/hostile.yml",
        "name: hostile\non: [push, pull_request]\njobs:\n  one:\n    runs-on: ubuntu-latest\n    steps:\n"
        "      - uses: actions/checkout@de0fac2e4500dabe0009e67214ff5f5447ce83dd # v6.0.2\n"
        "        with: {persist-credentials: false}\n"
        + steps
        + '      - run: echo "[$pwned]" "[$PATH]"\n        id: last\n',
    )
    pull = {
        "number": payload,
        "title": payload,
        "head": {"ref": payload, "sha": payload, "repo": {"full_name": payload}},
    }
    event = {"text": payload, "number": 7, "pull_request": {**pull, "base": {"ref": payload, "sha": payload}}}
    done = act.run(job.directory, "hostile", "pull_request", event, env=env)
    ended = {record["stepID"][0] for record in done.records if record.get("stage") == "Main" and "stepResult" in record}
    assert len(ended) == len(ways) + 2, done.text
    _judge(act, done)
    return done


def _judge(act: Act, done: ActRun) -> None:
    """Fail for whatever acted, was forged, or reached a terminal."""
    variables = re.findall(r"^\[(.*)\] \[(.*)\]$", done.printed, re.MULTILINE)
    assert [name for name, _ in variables] == [""], done.printed
    assert "pwned" not in variables[0][1]
    assert [record for record in done.commands("add-path") if not record["arg"].endswith("/bin")] == []
    assert done.commands("set-env", "save-state", "stop-commands") == []
    declared = {name for action in _OPTIONS for name in load_action(action)["outputs"]} | _INTERNAL
    assert {record["name"] for record in done.commands("set-output")} <= declared
    shown = done.commands("error", "warning", "notice")
    assert [record for record in shown if str(record.get("arg", "")).startswith("pwned")] == []
    assert not list(act.place.parent.rglob("pwned"))
    assert not any(character in done.printed for character in "\x1b\u202e")


@pytest.mark.parametrize("payload", PAYLOADS, ids=[str(number) for number in range(len(PAYLOADS))])
def test_scripts_hand_each_text_on_as_what_it_is(act: Act, job: Job, tmp_path: Path, payload: str) -> None:
    """An option's value stays one argument, names are split at blanks and come after ``--``, the rest is refused."""
    program, log = tmp_path / "recorder", tmp_path / "log"
    program.write_text(
        f'#!/bin/sh\n[ "$1" = --version ] && exec echo pipeline-kit 0\nprintf "%s\\0" "$@" END >> "{log}"\n',
        encoding="utf-8",
    )
    program.chmod(0o755)
    done = _run(act, job, _ways(), payload, {"PIPELINE_KIT_PROGRAM": str(program)})
    calls = [call.split("\0")[:-1] for call in log.read_bytes().decode().split("END\0")[:-1]]
    for action, names in _OPTIONS.items():
        for name, option in names.items():
            wanted = [option, payload] if not option.endswith("=") else [f"{option}{payload}"]
            assert any(_holds(call, wanted) for call in calls), (action, name)
    for option in ("--runner=", "--manifest="):
        lines = [line.strip(" \t\r") for line in payload.split("\n")]
        wanted = [f"{option}{line}" for line in lines if line]
        assert any(_holds([word.rstrip("\r") for word in call], wanted) for call in calls), option
    names_given = [call[call.index("--") + 1 :] for call in calls if "--" in call]
    split = [word for word in re.split(r"[ \t\n]+", payload) if word]
    assert names_given.count(split) >= sum(map(len, _WORDS.values()))
    results = {record["stepID"][0]: record["stepResult"] for record in done.records if _is_whole_step(record)}
    assert {results[f"{action}-{name}"] for action, names in _REFUSED.items() for name in names} == {"failure"}


def _holds(call: list[str], wanted: list[str]) -> bool:
    return any(call[at : at + len(wanted)] == wanted for at in range(len(call)))


def _is_whole_step(record: dict[str, Any]) -> bool:
    return record.get("stage") == "Main" and "stepResult" in record and len(record["stepID"]) == 1


def test_the_whole_does_no_more_than_fail(act: Act, job: Job) -> None:
    """The scripts with the real program, as a fork's run: every kind of text at once."""
    ways = [(action, name) for action, names in _REAL.items() for name in names]
    done = _run(act, job, ways, " \n".join(PAYLOADS))
    assert "error" in done.text
