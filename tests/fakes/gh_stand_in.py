"""Stands in for GitHub's `gh`: answers from a folder, notes every call, and applies --jq with jq itself.

TEST_GITHUB names the folder: ``pulls.json``, ``comments.json`` and ``pr-list.json`` are the answers (``[]`` where there
is none), ``calls.jsonl`` is what was asked. TEST_ARTIFACTS holds the artifacts.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any


def main(words: list[str]) -> None:
    """Do what one call asks for."""
    place = Path(os.environ["TEST_GITHUB"])
    options = _options(words)
    note: dict[str, Any] = {"words": words}
    for field in options.get("-F", []):
        if field.startswith("body=@"):
            note["body"] = Path(field.removeprefix("body=@")).read_text(encoding="utf-8")
    with (place / "calls.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps(note) + "\n")
    if words[:2] == ["run", "download"]:
        shutil.copytree(Path(os.environ["TEST_ARTIFACTS"]) / options["--name"][0], options["--dir"][0])
        return
    answers = {"pulls": "pulls.json", "comments": "comments.json", "list": "pr-list.json"}
    last = words[1] if words[0] == "pr" else next((w for w in words if w.startswith("repos/")), "").rpartition("/")[2]
    is_question = options.get("--method", ["GET"]) == ["GET"] and last in answers
    if is_question and "--jq" in options:
        answer = place / answers[last]
        _print(options["--jq"][0], json.loads(answer.read_text(encoding="utf-8")) if answer.exists() else [])


def _print(program: str, answer: Any) -> None:
    import jq

    for value in jq.compile(program).input_value(answer).all():
        sys.stdout.write((value if isinstance(value, str) else json.dumps(value)) + "\n")


def _options(words: list[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for word, value in zip(words, [*words[1:], ""], strict=True):
        if word.startswith("-"):
            found.setdefault(word, []).append(value)
    return found


if __name__ == "__main__":
    main(sys.argv[1:])
