"""A ``.git`` is in no key, so it enters no image: wherever in a context it lies, and whatever brings it there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from fakes.project_files import config_text, environment, write_files

from pipeline_kit.app.session import open_session
from pipeline_kit.app.tagging import compute_tags
from pipeline_kit.app.ungit import dockerfile_without_git
from pipeline_kit.errors import DockerfileError

if TYPE_CHECKING:
    from pathlib import Path

GIT = {"HEAD": "ref: x\n", "refs/heads/main": "1\n"}


def write(root: Path, dockerfile: str, *gits: str, files: bool = False, **more: str) -> None:
    """Write a project without git whose directories ``gits`` hold a ``.git``, as a file or as a directory."""
    images = {"api": {"context": "api", "contexts": {"lib": "lib"}}}
    write_files(
        root,
        {
            "pipeline-kit.yaml": config_text(images),
            "api/Dockerfile": dockerfile,
            **{f"{place}/a": "a\n" for place in ("api", "api/deep/er", "lib", "lib/deep")},
            **{name.replace("__", "/.").replace("_", "/"): text for name, text in more.items()},
        },
    )
    for place in gits:
        inside = {f"{place}/.git/{name}": text for name, text in GIT.items()}
        write_files(root, {f"{place}/.git": "gitdir: x\n"} if files else inside)


def built_with(root: Path) -> Path:
    """Return the Dockerfile that ``api`` would be built with."""
    with open_session(root, None, environment()) as session:
        sources = compute_tags(session.project, ("api",), session.around, None).sources["api"]
    place = root / "scratch"
    return dockerfile_without_git(sources, root / "api", root / "api/Dockerfile", place, {"lib": root / "lib"})


@pytest.mark.parametrize("files", [True, False], ids=["file", "directory"])
@pytest.mark.parametrize("place", ["api", "api/deep", "api/deep/er"])
def test_a_main_context_gets_a_rule_more(tmp_path: Path, home: Path, place: str, files: bool) -> None:
    """Also for a submodule's ``.git`` further down; the rules that were there stay in front."""
    write(tmp_path, "FROM scratch\nCOPY . /\n", place, files=files, api__dockerignore="*.tmp")
    found = built_with(tmp_path)
    assert found == tmp_path / "scratch/Dockerfile"
    assert found.read_text() == (tmp_path / "api/Dockerfile").read_text()
    assert (tmp_path / "scratch/Dockerfile.dockerignore").read_bytes() == b"*.tmp\n**/.git\n"


@pytest.mark.parametrize(
    ("place", "rules"),
    [("api", ".git"), ("api/deep", "**/.git"), ("api/deep", "deep"), ("api", "*\n!deep"), ("lib", "")],
)
def test_no_rule_is_needed_where_none_is_sent(tmp_path: Path, home: Path, place: str, rules: str) -> None:
    """The Dockerfile stays where it is, for messages and for debugging."""
    write(tmp_path, "FROM scratch\nCOPY . /\n", place, api__dockerignore=rules)
    assert built_with(tmp_path) == tmp_path / "api/Dockerfile"
    assert not (tmp_path / "scratch").exists()


READING = [
    "COPY --from=lib . /",
    "COPY --from=lib deep /",
    "COPY --from=lib deep/.git/HEAD /",
    "COPY --from=lib */ /",
    "COPY --from=lib d*/.g*/HEAD /",
    "RUN --mount=from=lib,target=/l true",
]


@pytest.mark.parametrize("files", [True, False], ids=["file", "directory"])
@pytest.mark.parametrize("line", READING)
def test_a_named_context_is_refused_where_its_git_can_be_read(
    tmp_path: Path, home: Path, line: str, files: bool
) -> None:
    """Its ignore rules are its own, so only its owner can leave ``.git`` out."""
    if files and "HEAD" in line:
        return
    write(tmp_path, f"FROM scratch\n{line}\n", "lib/deep", files=files)
    with pytest.raises(DockerfileError, match=r"api/Dockerfile: the build could read deep/\.git") as caught:
        built_with(tmp_path)
    assert "**/.git" in (caught.value.hint or "")
    write_files(tmp_path, {"lib/.dockerignore": "**/.git\n"})
    assert built_with(tmp_path) == tmp_path / "api/Dockerfile"


@pytest.mark.parametrize("line", ["COPY --from=lib a /", "COPY --from=lib */a /", "COPY a /", "COPY --from=lib ?? /"])
def test_a_git_that_nothing_reads_does_not_matter(tmp_path: Path, home: Path, line: str) -> None:
    """BuildKit is not even sent it."""
    write(tmp_path, f"FROM scratch\n{line}\n", "lib", "lib/deep")
    assert built_with(tmp_path) == tmp_path / "api/Dockerfile"
