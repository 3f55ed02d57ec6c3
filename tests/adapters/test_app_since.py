"""Reasons told path by path, against a comparison of whole listings."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pytest
from fakes.git_checkout import Checkout
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline_kit.adapters.git.worktree import WorkTree
from pipeline_kit.app import reasons
from pipeline_kit.app.session import open_session
from pipeline_kit.app.tagging import compute_tags

if TYPE_CHECKING:
    from pipeline_kit.ports.checkout import Since

_CONFIG = """version: 1
project: p
registry: 127.0.0.1:1
images:
  whole: {context: whole, contexts: {lib: lib}}
  named: {context: named, contexts: {lib: lib, whole: "image:whole"}}
  globs: {context: ., dockerfile: globs.Dockerfile, inputs: [extra]}
"""
_FILES = {
    "pipeline-kit.yaml": _CONFIG,
    "whole/Dockerfile": "FROM scratch\nCOPY . /\nCOPY --from=lib . /lib\n",
    "whole/.dockerignore": "**/*.tmp\n",
    "whole/d/a": "1",
    "named/Dockerfile": "FROM whole\nCOPY d /d\nCOPY --from=lib a /a\n",
    "named/d/a": "1",
    "named/d/e/b": "1",
    "named/other/a": "1",
    "lib/a": "1",
    "lib/d/b.tmp": "1",
    "globs.Dockerfile": "FROM scratch\nCOPY named/*/a lib/?/ /\n",
    "extra": "1",
}
_PLACES = [
    "whole/d/a",
    "whole/d/b.tmp",
    "whole/new/b.tmp",
    "named/d/a",
    "named/d/e/b",
    "named/d/e/c",
    "named/d",
    "named/other/a",
    "lib/a",
    "lib/d/b.tmp",
    "lib/d",
    "lib/e/f",
    "extra",
    "whole/.dockerignore",
    "lib/.dockerignore",
    "named/Dockerfile",
    "pipeline-kit.yaml",
]
_EDITS = st.lists(
    st.tuples(
        st.sampled_from(["write", "write", "delete", "chmod", "link", "add", "commit"]),
        st.sampled_from(_PLACES),
        st.sampled_from(["1", "2", "d\n", "**/a\n", _CONFIG + "# more\n", "FROM scratch\nCOPY other d* /\n"]),
    ),
    min_size=1,
    max_size=8,
)


def _apply(checkout: Checkout, action: str, path: str, content: str) -> None:
    target = checkout.root / path
    if action in ("add", "commit"):
        checkout.git("add", "--all")
        checkout.git("commit", "--quiet", "--allow-empty", "-m", "x") if action == "commit" else None
    elif action == "delete" and target.is_file():
        target.unlink()
    elif action == "chmod" and target.is_file() and not target.is_symlink():
        target.chmod(0o755)
    elif action == "link" and not target.exists() and not target.is_symlink() and target.parent.is_dir():
        target.symlink_to("other")
    elif action == "write" and not target.is_dir() and not any(part.is_file() for part in target.parents):
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)
        target.write_text(content, encoding="utf-8")


def _told(root: Path) -> dict[str, tuple[str, ...]]:
    with open_session(root, None, {}) as session:
        names = tuple(session.project.config.images)
        tagged = compute_tags(session.project, names, session.around, None)
        return reasons.causes(session.project, tagged, names, session.around)


def _without_exactness(tree: WorkTree, commit: str, also: str, *, is_head: bool = False) -> Since | None:
    since = _CHANGED_SINCE(tree, commit, also, is_head=is_head)
    return None if since is None else since._replace(is_exact=False)


_CHANGED_SINCE = WorkTree.changed_since


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(edits=_EDITS)
@pytest.mark.usefixtures("git_home")
def test_reasons_are_those_of_a_whole_comparison(edits: list[tuple[str, str, str]]) -> None:
    """Whatever was edited, staged and committed; a directory without files is no reason by itself."""
    with TemporaryDirectory() as place, pytest.MonkeyPatch.context() as patch:
        checkout = Checkout(Path(place).resolve())
        checkout.git("init", "--quiet")
        for path, content in _FILES.items():
            checkout.write(path, content)
        checkout.commit()
        for edit in edits:
            _apply(checkout, *edit)
        try:
            quick = _told(checkout.root)
        except Exception as error:  # noqa: BLE001 - the same edit must be refused either way
            patch.setattr(WorkTree, "changed_since", _without_exactness)
            with pytest.raises(type(error)):
                _told(checkout.root)
            return
        patch.setattr(WorkTree, "changed_since", _without_exactness)
        assert quick == _told(checkout.root)


@pytest.mark.usefixtures("git_home")
def test_the_commit_is_not_listed_for_edits_of_files(checkout: Checkout, monkeypatch: pytest.MonkeyPatch) -> None:
    """Edited, new and deleted files, in contexts of both kinds and where a whole context counts."""
    for path, content in _FILES.items():
        checkout.write(path, content)
    checkout.commit()
    checkout.write("whole/d/a", "2")
    (checkout.root / "named/d/a").unlink()
    checkout.write("named/unread", "2")
    checkout.write("lib/a", "2")

    def fail(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr(reasons, "load_at", fail)
    assert _told(checkout.root) == {
        "whole": ("d/a changed", "lib:a changed"),
        "named": ("d/a removed", "lib:a changed"),
        "globs": ("lib/a changed", "named/d/a removed"),
    }
