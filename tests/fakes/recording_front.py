"""A reverse proxy before a real registry that notes what ECR would ask IAM about, for each request it passes on."""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING

from fakes.passing_front import PassingHandler, serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from email.message import Message
    from io import BufferedIOBase

_PATH = re.compile(r"/v2/(?P<repository>.+?)/(?P<kind>manifests|blobs/uploads|blobs|tags|referrers)/(?P<rest>[^?]*)")
_ACTIONS = {
    # ECR user guide, "Private repository policies" and "Required IAM permissions for pushing an image"; for referrers
    # botocore's documentation of ListImageReferrers.
    ("GET", "manifests"): "ecr:BatchGetImage",
    ("HEAD", "manifests"): "ecr:BatchGetImage",
    ("PUT", "manifests"): "ecr:PutImage",
    ("DELETE", "manifests"): "ecr:BatchDeleteImage",
    ("GET", "blobs"): "ecr:GetDownloadUrlForLayer",
    ("HEAD", "blobs"): "ecr:BatchCheckLayerAvailability",
    ("POST", "blobs/uploads"): "ecr:InitiateLayerUpload",
    ("PATCH", "blobs/uploads"): "ecr:UploadLayerPart",
    ("PUT", "blobs/uploads"): "ecr:CompleteLayerUpload",
    ("GET", "tags"): "ecr:ListImages",
    ("GET", "referrers"): "ecr:BatchGetImage",
}


class RecordingFront:
    """``host`` is where it listens; ``asked`` are pairs of IAM action and repository."""

    def __init__(self, host: str, upstream: str) -> None:
        self.host = host
        self.upstream = upstream
        self.asked: set[tuple[str, str]] = set()
        self.refused: str = ""
        """A pattern of method and path, ``PUT /v2/shop/.*``, that is answered with 403."""

    def note(self, method: str, path: str, *, has_body: bool) -> None:
        """Note what a request needs. A mount needs no more than an upload, which it becomes where it is refused."""
        found = _PATH.match(path)
        if found is None:
            return
        repository, kind = found["repository"], found["kind"]
        action = _ACTIONS.get((method, kind))
        if action is None:
            assert (method, kind) in {("GET", "blobs/uploads"), ("DELETE", "blobs/uploads")}, (method, path)
            return
        self.asked.add((action, repository))
        if action == "ecr:CompleteLayerUpload" and has_body:
            self.asked.add(("ecr:UploadLayerPart", repository))


@contextmanager
def recording_front(upstream: str) -> Iterator[RecordingFront]:
    """Run a front for ``upstream`` (``host:port``) on a free loopback port."""
    with serving(_Handler, lambda host: RecordingFront(host, upstream)) as front:
        yield front


class _Handler(PassingHandler):
    default_request_version = "HTTP/1.1"  # a TLS greeting is answered in HTTP, by which engines know to go on without

    def serve(self) -> None:
        front = self.server.front
        body = _body(self.rfile, self.headers)
        front.note(self.command, self.path, has_body=bool(body))
        if re.fullmatch(front.refused, f"{self.command} {self.path}"):
            self.answer(403, [("Content-Type", "application/json")], b'{"errors": [{"code": "DENIED"}]}')
        else:
            self.answer(*self.ask(body))


def _body(stream: BufferedIOBase, headers: Message) -> bytes:
    if "chunked" not in headers.get("Transfer-Encoding", ""):
        return stream.read(int(headers.get("Content-Length") or 0))
    parts = []
    while size := int(stream.readline().split(b";")[0], 16):
        parts.append(stream.read(size))
        stream.readline()
    stream.readline()
    return b"".join(parts)
