"""Obtain programs from Debian packages without installing them and without touching the system's own apt state."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from stack_state import StackError, locked, say, state_dir

_APT = Path("/etc/apt")
_ENGINE_RELEASE = 13  # Debian 12's docker.io is 20.10: no containerd image store
_ENGINE_SUITE = "trixie"
_DOWNLOAD_SECONDS = 600


def own_suite() -> str:
    """Return the code name of this machine's Debian (or Debian-like) release.

    Raises:
        StackError: this is no machine with apt.
    """
    name = _os_release().get("VERSION_CODENAME")
    if not name or shutil.which("apt-get") is None or shutil.which("dpkg") is None:
        raise StackError("this machine has no Debian packages (no apt-get, dpkg or release code name)")
    return name


def engine_suite() -> str:
    """Return the suite whose Docker Engine has the containerd image store: Debian 13's, or this machine's if newer.

    Raises:
        StackError: this is no Debian, so no suite can be derived from its sources.
    """
    suite = own_suite()
    release = _os_release()
    if release.get("ID") != "debian":
        raise StackError("no Docker Engine answers, and one can be obtained on Debian only: start yours and try again")
    version = release.get("VERSION_ID", "")
    return _ENGINE_SUITE if version.isdigit() and int(version) < _ENGINE_RELEASE else suite


def unpacked(name: str, packages: tuple[str, ...], *, suite: str) -> Path:
    """Return a folder with these packages' files, downloaded once and shared by every checkout.

    Raises:
        StackError: apt or dpkg failed; the message holds their last words.
    """
    target = state_dir() / "packages" / f"{name}-{suite}"
    with locked("packages"):
        if target.is_dir():
            return target
        say(f"obtaining {name} (Debian packages of {suite}: {' '.join(packages)}) …")
        target.parent.mkdir(parents=True, exist_ok=True)
        # Beside the target, so that the last step is one rename: a run that is killed leaves nothing half-made.
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".new-") as scratch:
            tree = Path(scratch) / "tree"
            for archive in _download(Path(scratch), packages, suite=suite):
                _run(["dpkg", "-x", str(archive), str(tree)])
            tree.chmod(0o755)
            tree.rename(target)
    return target


def _download(scratch: Path, packages: tuple[str, ...], *, suite: str) -> list[Path]:
    apt = _private_apt(scratch, suite)
    # A third party's source may be gone while Debian's answers: only a package that cannot be had is an error.
    _run([*apt, "update"], accept_failure=True)
    archives = scratch / "archives"
    archives.mkdir()
    _run([*apt, "download", *packages], folder=archives)
    return sorted(archives.glob("*.deb"))


def _private_apt(scratch: Path, suite: str) -> list[str]:
    parts, lists, cache = scratch / "parts", scratch / "lists", scratch / "cache"
    for folder in (parts, lists / "partial", cache / "archives" / "partial"):
        folder.mkdir(parents=True)
    _derive_sources(parts, suite)
    options = {
        "Dir::Etc::sourcelist": "/dev/null",
        "Dir::Etc::sourceparts": str(parts),
        "Dir::State::lists": str(lists),
        "Dir::Cache": str(cache),
        "APT::Sandbox::User": "root",  # the folders are ours, the _apt user cannot enter them
        "Acquire::Languages": "none",
        "Acquire::Retries": "3",
    }
    return ["apt-get", "-q", *(word for key, value in options.items() for word in ("-o", f"{key}={value}"))]


def _derive_sources(parts: Path, suite: str) -> None:
    own = own_suite()
    candidates = [_APT / "sources.list", *sorted((_APT / "sources.list.d").glob("*"))]
    for number, path in enumerate(path for path in candidates if path.is_file()):
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".sources":
            derived = derive_stanzas(text, own, suite)
        elif path.suffix == ".list":
            derived = derive_lines(text, own, suite)
        else:
            continue
        if derived:
            (parts / f"{number:03}{path.suffix}").write_text(derived, encoding="utf-8")


def derive_lines(text: str, own: str, suite: str) -> str:
    """Return the one-line sources (sources.list format) of suite `own` and its updates, for another suite."""
    pattern = re.compile(rf"^(deb\s+(?:\[[^\]]*\]\s+)?\S+\s+){re.escape(own)}(-updates|-security)?(?=\s)")
    kept = [pattern.sub(rf"\g<1>{suite}\g<2>", line) for line in text.splitlines() if pattern.match(line)]
    return "".join(f"{line}\n" for line in kept)


def derive_stanzas(text: str, own: str, suite: str) -> str:
    """Return the stanzas (deb822 format) of suite `own` and its updates, for another suite."""
    wanted = {own: suite, f"{own}-updates": f"{suite}-updates", f"{own}-security": f"{suite}-security"}
    kept: list[str] = []
    for stanza in re.split(r"\n\s*\n", text):
        field = re.search(r"^Suites:[ \t]*(.*)$", stanza, re.MULTILINE | re.IGNORECASE)
        suites = [wanted[word] for word in field[1].split() if word in wanted] if field else []
        if field and suites:
            kept.append(f"{stanza[: field.start()]}Suites: {' '.join(suites)}{stanza[field.end() :]}".strip() + "\n")
    return "\n".join(kept)


def _run(argv: list[str], *, folder: Path | None = None, accept_failure: bool = False) -> None:
    done = subprocess.run(
        argv, cwd=folder, capture_output=True, text=True, check=False, timeout=_DOWNLOAD_SECONDS, errors="replace"
    )
    if done.returncode != 0 and not accept_failure:
        last = "\n".join((done.stdout + done.stderr).splitlines()[-15:])
        raise StackError(f"{' '.join(argv[-3:])} failed ({done.returncode}):\n{last}")


def _os_release() -> dict[str, str]:
    try:
        text = Path("/etc/os-release").read_text(encoding="utf-8")
    except OSError:
        return {}
    pairs = (line.partition("=") for line in text.splitlines() if "=" in line)
    return {key.strip(): value.strip().strip("\"'") for key, _, value in pairs}
