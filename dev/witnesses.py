"""Registry clients, and readers of what ``emit`` writes, that no one here wrote.

They are independent witnesses for tests, and peers for benchmarks.

python3 dev/witnesses.py    obtain all of them and print where they are

    import witnesses

    subprocess.run([str(witnesses.crane()), "digest", "--insecure", reference])
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

from stack_debian import engine_suite, own_suite, unpacked
from stack_state import StackError, locked, say, state_dir

_CRANE_SUITE = "sid"  # the only one that has it
_KUSTOMIZE_SUITE = "sid"  # likewise
_SKOPEO_LIBRARIES = ("libgpgme11", "libassuan0", "libdevmapper1.02.1", "libgpg-error0", "libselinux1", "libudev1")


def crane() -> Path:
    """Return go-containerregistry's ``crane``. Raises StackError when it cannot be had."""
    return _found("crane") or _checked(unpacked("crane", ("crane",), suite=_CRANE_SUITE) / "usr" / "bin" / "crane")


def oras() -> Path:
    """Return the ORAS project's ``oras``. Raises StackError when it cannot be had."""
    return _found("oras") or _checked(unpacked("oras", ("oras",), suite=engine_suite()) / "usr" / "bin" / "oras")


def skopeo() -> Path:
    """Return containers' ``skopeo``, wrapped so that it finds its libraries and accepts every image unsigned.

    Raises StackError when it cannot be had.
    """
    found = _found("skopeo")
    if found is not None:
        return found
    tree = unpacked("skopeo", ("skopeo", *_SKOPEO_LIBRARIES), suite=own_suite())
    libraries = [str(folder) for pattern in ("lib/*-linux-*", "usr/lib/*-linux-*") for folder in tree.glob(pattern)]
    folder = state_dir() / "witnesses"
    policy, wrapper = folder / "policy.json", folder / "skopeo"
    with locked("witnesses"):
        folder.mkdir(exist_ok=True)
        _place(policy, '{"default": [{"type": "insecureAcceptAnything"}]}\n', 0o644)
        _place(
            wrapper,
            "#!/bin/sh\n"
            f"LD_LIBRARY_PATH={shlex.quote(os.pathsep.join(sorted(libraries)))} "
            f'exec {shlex.quote(str(tree / "usr" / "bin" / "skopeo"))} --policy {shlex.quote(str(policy))} "$@"\n',
            0o755,
        )
    return _checked(wrapper)


def compose() -> Path:
    """Return Docker Compose as a program of its own. Raises StackError when it cannot be had."""
    tree = unpacked("docker-compose", ("docker-compose",), suite=engine_suite())
    return _checked(tree / "usr" / "libexec" / "docker" / "cli-plugins" / "docker-compose")


def kustomize() -> Path:
    """Return the Kubernetes project's ``kustomize``. Raises StackError when it cannot be had."""
    tree = unpacked("kustomize", ("kustomize",), suite=_KUSTOMIZE_SUITE)
    return _found("kustomize") or _checked(tree / "usr" / "bin" / "kustomize")


def _found(name: str) -> Path | None:
    path = shutil.which(name)
    return Path(path) if path else None


def _checked(program: Path) -> Path:
    """Return the program when it runs here. Raises StackError otherwise."""
    words = [str(program), "version" if program.name != "skopeo" else "--version"]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=30, errors="replace")
    if done.returncode != 0:
        raise StackError(f"{program.name} does not run on this machine: {(done.stdout + done.stderr).strip()[-400:]}")
    return program


def _place(path: Path, text: str, mode: int) -> None:
    if path.is_file() and path.read_text(encoding="utf-8") == text:
        return
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.write_text(text, encoding="utf-8")
    fresh.chmod(mode)
    fresh.replace(path)


def main() -> int:
    """Print each witness's name and path; 1 when one cannot be had."""
    try:
        for find in (crane, oras, skopeo, compose, kustomize):
            print(f"{find.__name__}\t{find()}")
    except StackError as error:
        say(str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
