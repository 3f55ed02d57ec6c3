"""Running ``docker-credential-…`` programs: no terminal, little time, little output.

Source: the docker-credential-helpers project's protocol ("get": host on stdin, JSON or an error on stdout).
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import selectors
import shutil
import signal
import subprocess
import time
from typing import TYPE_CHECKING

from pipeline_kit.errors import AuthenticationFailed

if TYPE_CHECKING:
    from collections.abc import Mapping

HELPER_SECONDS = 20.0
_LARGEST_OUTPUT = 64 * 1024
_NAME_RE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_NOT_FOUND = "credentials not found in native keychain"


def helper_get(
    name: str, host: str, environment: Mapping[str, str], *, seconds: float = HELPER_SECONDS
) -> tuple[str, str] | None:
    """Return the (user name, secret) that helper ``name`` has for ``host``, or ``None`` where it has none.

    Raises AuthenticationFailed, naming the helper but nothing it printed, when it is missing, fails, hangs or babbles.
    """
    program, path = _find(name, host, environment)
    status, output = _run([path, "get"], program, host, environment, seconds)
    text = output.decode("utf-8", "replace").strip()
    if status != 0:
        if _NOT_FOUND in text or "credentials not found" in text.lower():
            return None
        raise AuthenticationFailed(f"the credential helper {program!r} failed with status {status}", hint=_hint(host))
    try:
        document = json.loads(text)
        user, secret = document["Username"], document["Secret"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise AuthenticationFailed(f"the credential helper {program!r} printed no credentials") from None
    if not isinstance(user, str) or not isinstance(secret, str):
        raise AuthenticationFailed(f"the credential helper {program!r} printed no credentials")
    return (user, secret) if secret else None


def helper_store(
    name: str, host: str, username: str, secret: str, environment: Mapping[str, str], *, seconds: float = HELPER_SECONDS
) -> None:
    """Give helper ``name`` the credentials of ``host`` to keep; they go through a pipe. Raises AuthenticationFailed."""
    program, path = _find(name, host, environment)
    document = json.dumps({"ServerURL": host, "Username": username, "Secret": secret})
    status, _ = _run([path, "store"], program, document, environment, seconds)
    if status != 0:
        raise AuthenticationFailed(
            f"the credential helper {program!r} could not store the login (status {status})", hint=_hint(host)
        )


def _find(name: str, host: str, environment: Mapping[str, str]) -> tuple[str, str]:
    program = f"docker-credential-{name}"
    path = shutil.which(program, path=environment.get("PATH")) if _NAME_RE.fullmatch(name) else None
    if path is None:
        raise AuthenticationFailed(f"the credential helper {program!r} is not on PATH", hint=_hint(host))
    return program, path


def _hint(host: str) -> str:
    return f"run the helper by hand, or remove it from credHelpers/credsStore for {host}"


def _run(argv: list[str], program: str, told: str, environment: Mapping[str, str], seconds: float) -> tuple[int, bytes]:
    """Return the exit status and the output of a helper that is told ``told`` on its stdin."""
    try:
        process = subprocess.Popen(
            argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=dict(environment),
            start_new_session=True,
        )
    except OSError as error:
        raise AuthenticationFailed(f"the credential helper {program!r} cannot be run: {error.strerror}") from error
    with process:
        try:
            _ask(process, told)
            output = _collect(process, program, time.monotonic() + seconds, seconds)
        except BaseException:
            _kill(process)
            raise
        return process.returncode, output


def _ask(process: subprocess.Popen[bytes], told: str) -> None:
    if process.stdin is not None:
        with contextlib.suppress(OSError):  # a helper may answer without reading
            process.stdin.write(told.encode())
            process.stdin.flush()
        with contextlib.suppress(OSError):
            process.stdin.close()


def _collect(process: subprocess.Popen[bytes], program: str, deadline: float, seconds: float) -> bytes:
    parts: list[bytes] = []
    size = 0
    if process.stdout is None:
        return b""
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while selector.select(max(0.0, deadline - time.monotonic())):
            part = os.read(process.stdout.fileno(), _LARGEST_OUTPUT)
            if not part:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(max(0.0, deadline - time.monotonic()))
                    return b"".join(parts)
                break
            parts.append(part)
            size += len(part)
            if size > _LARGEST_OUTPUT:
                raise AuthenticationFailed(f"the credential helper {program!r} printed more than 64 KiB")
    raise AuthenticationFailed(f"the credential helper {program!r} did not answer within {seconds:g} s")


def _kill(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
