"""``docker-credential-pipeline-kit``: gives docker and buildx the ECR tokens that pipeline-kit itself uses.

It speaks the docker-credential-helpers protocol ("get" with the host on stdin), so a token goes from here to docker
through a pipe and is never written to a file. Only ECR hosts are answered.
"""

from __future__ import annotations

import json
import sys
from typing import NoReturn

_MAX_HOST = 4096
_NOT_FOUND = "credentials not found in native keychain"  # the protocol's own words for "I have none"


def run() -> NoReturn:
    """Answer one request and exit: 0 with a JSON object on stdout, or 1 with a message there, as the protocol wants."""
    if sys.argv[1:] == ["list"]:
        _answer("{}", 0)
    if sys.argv[1:] != ["get"]:
        _answer("only get and list are answered", 1)
    from pipeline_kit.adapters.aws.ecr import EcrCredentials
    from pipeline_kit.errors import PipelineKitError

    server = sys.stdin.read(_MAX_HOST).strip()
    try:
        found = EcrCredentials().lookup(server.removeprefix("https://").rstrip("/"))
    except PipelineKitError as error:
        _answer(error.message, 1)
    if found is None:
        _answer(_NOT_FOUND, 1)
    _answer(json.dumps({"ServerURL": server, "Username": found.username, "Secret": found.password}), 0)


def _answer(text: str, code: int) -> NoReturn:
    sys.stdout.write(f"{text}\n")
    sys.exit(code)
