"""Base images for tests: made from a static busybox, because no public registry can be asked here."""

from __future__ import annotations

import http
import os
import subprocess
import tempfile
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

from stack_engine import run_docker
from stack_programs import busybox_binary
from stack_state import StackError, locked, say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stack_engine import Engine

_MEDIA_TYPES = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
_DOCKERFILE = """FROM scratch
COPY root/ /
ENV PATH=/bin
CMD ["sh"]
"""
_VERSION_FILE = "etc/base-version"
_PUSHES = 3


def seed_base(
    engine: Engine,
    registry_host: str,
    repository: str = "library/busybox",
    tag: str = "1.36",
    *,
    version: str = "1",
    platforms: tuple[str, ...] = ("linux/amd64",),
    replace: bool = False,
) -> str:
    """Return the digest of a base image at registry_host/repository:tag; build and push it if nothing is there.

    `version` is written to /etc/base-version: another version has another digest; with `replace`, the tag moves to it.
    Several `platforms` give an index; the busybox in each is this machine's own, so only this machine's runs.

    Raises:
        StackError: it could not be built or pushed, or the registry does not answer.
    """
    present = None if replace else manifest_digest(registry_host, repository, tag)
    if present is not None:
        return present
    say(f"pushing base image {registry_host}/{repository}:{tag} (version {version}, {', '.join(platforms)})")
    with tempfile.TemporaryDirectory(prefix="pipeline-kit-base-") as folder:
        _write_context(Path(folder), version)
        options = ["--platform", ",".join(platforms), "--build-arg", "SOURCE_DATE_EPOCH=0"]
        return ensure_pushed(engine, registry_host, repository, tag, Path(folder), options, replace=replace)


def ensure_pushed(
    engine: Engine,
    registry_host: str,
    repository: str,
    tag: str,
    folder: Path,
    options: Sequence[str] = (),
    *,
    replace: bool = False,
) -> str:
    """Return the digest at registry_host/repository:tag; build `folder` and push it there if nothing is.

    One at a time on this machine: two builds of one image at once are too much for the containerd store.

    Raises:
        StackError: it could not be built or pushed, or the registry does not answer.
    """
    reference = f"{registry_host}/{repository}:{tag}"
    with locked("seeds"):
        present = None if replace else manifest_digest(registry_host, repository, tag)
        if present is not None:
            return present
        # --provenance=false: a statement about the build's time would give each push another digest.
        words = ["buildx", "build", "--provenance=false", "--quiet", "--push", "--tag", reference, *options]
        _push(engine, [*words, str(folder)])
        digest = manifest_digest(registry_host, repository, tag)
    if digest is None:
        raise StackError(f"{reference} was pushed, but the registry does not have it")
    return digest


def _push(engine: Engine, words: list[str]) -> None:
    for left in reversed(range(_PUSHES)):
        try:
            run_docker(engine, words)
        except StackError as error:
            # The registry answers so about a tag that it is just writing (distribution 2.8), and no engine asks again.
            if not left or "500 Internal Server Error" not in str(error):
                raise
        else:
            return


def manifest_digest(registry_host: str, repository: str, reference: str) -> str | None:
    """Return the digest ("sha256:…") behind a tag or digest in an open registry, or None when it says 404.

    Raises:
        StackError: the registry does not answer, or with anything but 200 or 404.
    """
    request = urllib.request.Request(
        f"http://{registry_host}/v2/{repository}/manifests/{reference}",
        method="HEAD",
        headers={"Accept": ", ".join(_MEDIA_TYPES)},
    )
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=10) as response:
            return str(response.headers["Docker-Content-Digest"])
    except urllib.error.HTTPError as error:
        with error:
            if error.code == http.HTTPStatus.NOT_FOUND:
                return None
            raise StackError(f"{registry_host} answered {error.code} for {repository}:{reference}") from error
    except OSError as error:
        raise StackError(f"{registry_host} does not answer: {error}") from error


def _write_context(folder: Path, version: str) -> None:
    root = folder / "root"
    binaries = root / "bin"
    for path in (binaries, root / "etc", root / "root", root / "tmp"):
        path.mkdir(parents=True)
    (root / "tmp").chmod(0o1777)
    busybox = binaries / "busybox"
    busybox.write_bytes(busybox_binary().read_bytes())
    busybox.chmod(0o755)
    applets = subprocess.run([str(busybox), "--list"], capture_output=True, text=True, check=True).stdout.split()
    for applet in applets:
        if applet != "busybox":
            (binaries / applet).symlink_to("busybox")
    accounts = "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n"
    (root / "etc" / "passwd").write_text(accounts, encoding="utf-8")
    (root / "etc" / "group").write_text("root:x:0:\nnogroup:x:65534:\n", encoding="utf-8")
    (root / _VERSION_FILE).write_text(f"{version}\n", encoding="utf-8")
    (folder / "Dockerfile").write_text(_DOCKERFILE, encoding="utf-8")
    for path in [root, *root.rglob("*")]:
        os.utime(path, (0, 0), follow_symlinks=False)
