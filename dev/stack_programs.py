"""The programs the stack is made of, each found on this machine or obtained from Debian packages."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from pathlib import Path

from stack_debian import engine_suite, own_suite, unpacked
from stack_state import StackError, state_dir

_RUNTIME_PACKAGES = ("containerd", "runc", "tini")
_IPTABLES_PACKAGES = (
    "iptables",
    "libip4tc2",
    "libip6tc2",
    "libmnl0",
    "libnetfilter-conntrack3",
    "libnfnetlink0",
    "libnftnl11",
    "libxtables12",
)
_IPTABLES_NAMES = tuple(f"{family}tables{verb}" for family in ("ip", "ip6") for verb in ("", "-save", "-restore"))


def docker_client() -> Path | None:
    """Return the folder to put in front of PATH for a `docker` client, or None when PATH has one."""
    if shutil.which("docker"):
        return None
    return unpacked("docker-cli", ("docker-cli",), suite=engine_suite()) / "usr" / "bin"


def docker_config() -> Path:
    """Return a DOCKER_CONFIG folder whose cli-plugins hold docker-buildx.

    Raises:
        StackError: the plugin cannot be obtained.
    """
    tree = unpacked("docker-buildx", ("docker-buildx",), suite=engine_suite())
    plugins = state_dir() / "docker-config" / "cli-plugins"
    plugins.mkdir(parents=True, exist_ok=True)
    _link(plugins / "docker-buildx", tree / "usr" / "libexec" / "docker" / "cli-plugins" / "docker-buildx")
    return plugins.parent


def engine_path() -> list[Path]:
    """Return the folders with dockerd, containerd, runc, docker-init and iptables, for dockerd's PATH.

    Raises:
        StackError: one of them cannot be obtained.
    """
    engine = unpacked("docker-engine", ("docker.io",), suite=engine_suite())
    runtime = unpacked("container-runtime", _RUNTIME_PACKAGES, suite=own_suite())
    links = state_dir() / "bin"
    links.mkdir(exist_ok=True)
    _link(links / "docker-init", runtime / "usr" / "bin" / "tini-static")
    if shutil.which("iptables", path=_system_path()) is None:
        _wrap_iptables(links)
    return [links, engine / "usr" / "sbin", engine / "usr" / "bin", runtime / "usr" / "sbin", runtime / "usr" / "bin"]


def docker_registry_binary() -> Path:
    """Return the CNCF registry's program.

    Raises:
        StackError: it is not on PATH and this machine has no Debian package of it.
    """
    return _program("docker-registry", "docker-registry")


def busybox_binary() -> Path:
    """Return a statically linked busybox.

    Raises:
        StackError: this machine has no Debian package of it.
    """
    tree = unpacked("busybox-static", ("busybox-static",), suite=own_suite())
    for folder in ("bin", "usr/bin"):
        if (tree / folder / "busybox").is_file():
            return tree / folder / "busybox"
    raise StackError("the package busybox-static holds no busybox")


def can_run(argv: list[str], environment: dict[str, str] | None = None) -> bool:
    """Tell whether a command ends with success within 20 s."""
    try:
        done = subprocess.run(
            argv, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False, timeout=20
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def _program(name: str, package: str) -> Path:
    found = shutil.which(name)
    if found:
        return Path(found)
    return unpacked(package, (package,), suite=own_suite()) / "usr" / "bin" / name


def _wrap_iptables(links: Path) -> None:
    tree = unpacked("iptables", _IPTABLES_PACKAGES, suite=own_suite())
    libraries = next(folder for folder in sorted((tree / "usr" / "lib").glob("*-linux-*")) if folder.is_dir())
    multi = tree / "usr" / "sbin" / "xtables-nft-multi"
    for name in _IPTABLES_NAMES:
        script = (
            "#!/bin/sh\n"
            f"LD_LIBRARY_PATH={shlex.quote(str(libraries))} XTABLES_LIBDIR={shlex.quote(str(libraries / 'xtables'))} "
            f'exec {shlex.quote(str(multi))} {name} "$@"\n'
        )
        _place(links / name, script)


def _place(path: Path, script: str) -> None:
    if path.is_file() and path.read_text(encoding="utf-8") == script:
        return
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.write_text(script, encoding="utf-8")
    fresh.chmod(0o755)
    fresh.replace(path)


def _link(path: Path, target: Path) -> None:
    if path.is_symlink() and path.readlink() == target:
        return
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(target)
    fresh.replace(path)


def _system_path() -> str:
    return os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])
