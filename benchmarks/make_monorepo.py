"""Write a large git repository of many small services, the measure of every speed figure in docs/.

    python benchmarks/make_monorepo.py DIR --files 100000 --images 200

Layout: ``services/svc-NNNN/{Dockerfile,.dockerignore,src/mNN/fNNNN.txt}``, ten shared ``libs/lib-*`` directories and a
``pipeline-kit.yaml`` in which each image takes its own directory as context and three libraries as named contexts.
Contents depend on the path alone, so two runs with the same numbers give the same git tree.
"""

from __future__ import annotations

import argparse
import subprocess
from dataclasses import dataclass
from pathlib import Path

LIBRARIES = [f"lib-{letter}" for letter in "abcdefghij"]
LIBRARIES_AN_IMAGE = 3
FILES_A_MODULE = 25
FILES_A_LIBRARY = 50
FILES_BESIDE_SOURCES = 2  # Dockerfile and .dockerignore
IDENTITY = ["-c", "user.name=benchmark", "-c", "user.email=benchmark@example.invalid", "-c", "commit.gpgsign=false"]


@dataclass(frozen=True, slots=True)
class Size:
    """How much to write: ``files`` in all (about) and ``images``."""

    files: int
    images: int

    @property
    def sources_an_image(self) -> int:
        """Return the number of source files that each service gets, at least one."""
        for_services = self.files - len(LIBRARIES) * FILES_A_LIBRARY - 1
        return max(1, for_services // self.images - FILES_BESIDE_SOURCES)


def libraries_of(image: int) -> list[str]:
    """Return the three libraries that the image with this number uses."""
    return sorted({LIBRARIES[(image * 3 + step * 2) % len(LIBRARIES)] for step in range(LIBRARIES_AN_IMAGE)})


def dockerfile(image: int) -> str:
    """Return a Dockerfile that copies the service's sources and its libraries."""
    copies = [f"COPY --from={name} . /{name}" for name in libraries_of(image)]
    return "\n".join(["FROM scratch", "COPY src /app", *copies, ""])


def configuration(size: Size) -> str:
    """Return the pipeline-kit.yaml of the whole repository."""
    lines = ["version: 1", "project: mono", "registry: 127.0.0.1:5000", "images:"]
    for image in range(size.images):
        contexts = ", ".join(f"{name}: libs/{name}" for name in libraries_of(image))
        lines += [f"  svc-{image:04d}:", f"    context: services/svc-{image:04d}", f"    contexts: {{{contexts}}}"]
    return "\n".join([*lines, ""])


def write_sources(directory: Path, count: int, seed: str) -> None:
    """Write ``count`` small text files below ``directory`` in modules of 25."""
    for start in range(0, count, FILES_A_MODULE):
        module = directory / f"m{start // FILES_A_MODULE:02d}"
        module.mkdir(parents=True)
        for number in range(start, min(start + FILES_A_MODULE, count)):
            text = f"{seed} {number}\n" * (1 + number % 7)
            (module / f"f{number:04d}.txt").write_text(text, encoding="ascii")


def write_tree(root: Path, size: Size) -> None:
    """Write every file of the repository."""
    for name in LIBRARIES:
        write_sources(root / "libs" / name, FILES_A_LIBRARY, name)
    for image in range(size.images):
        service = root / "services" / f"svc-{image:04d}"
        write_sources(service / "src", size.sources_an_image, service.name)
        (service / "Dockerfile").write_text(dockerfile(image), encoding="ascii")
        (service / ".dockerignore").write_text("**/*.tmp\n**/*.md\n!README.md\n", encoding="ascii")
    (root / "pipeline-kit.yaml").write_text(configuration(size), encoding="ascii")


def commit(root: Path) -> None:
    """Make the directory a repository with everything in one commit, and its index settled."""
    for command in (
        ["init", "--quiet", "--initial-branch=main"],
        ["add", "--all"],
        [*IDENTITY, "commit", "--quiet", "--message=monorepo"],
        ["update-index", "--refresh", "-q"],
    ):
        subprocess.run(["git", *command], cwd=root, check=True)


def main() -> None:
    """Read the command line and write the repository."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", type=Path, help="must not exist yet")
    parser.add_argument("--files", type=int, default=100_000)
    parser.add_argument("--images", type=int, default=200)
    options = parser.parse_args()
    if options.images < 1:
        parser.error("--images must be at least 1")
    options.directory.mkdir(parents=True)
    size = Size(files=options.files, images=options.images)
    write_tree(options.directory, size)
    commit(options.directory)


if __name__ == "__main__":
    main()
