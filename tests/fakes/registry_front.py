"""A stand-in for a registry of the field: a real registry behind a front that authorises and refuses as documented.

The front is reached as an HTTP proxy, so that clients use each registry's real host names, and only loopback is
contacted. What is stored, and everything not named in the profile, is the real registry's.
"""

from __future__ import annotations

import json
import re
import threading
import time
from dataclasses import dataclass
from email.utils import formatdate
from typing import TYPE_CHECKING, Any, Self

import urllib3
from fakes.fake_registry_answers import Logged, Reply, digest_of, to_json
from fakes.fake_registry_wire import Handler, Server
from fakes.registry_front_auth import Asked, Authority, is_hidden, take_apart
from fakes.registry_profile import SPEC, Profile

from pipeline_kit.manifest import ACCEPTED

if TYPE_CHECKING:
    from pipeline_kit.manifest import Manifest
    from pipeline_kit.reference import Reference

_PATH_RE = re.compile(r"/v2/(?P<repository>.+?)/(?P<kind>manifests|blobs|tags|referrers)/(?P<rest>.+)")
_HOP_BY_HOP = frozenset({"connection", "keep-alive", "transfer-encoding", "proxy-connection", "host"})
LIMITED_SECONDS = 20
"""What a limited answer asks to wait."""


@dataclass(slots=True)
class Limit:
    """How many of the next requests to a path are refused as too many."""

    times: int = 0
    path: str = ""


class RegistryFront(Authority):
    """One profile in front of the registry at ``upstream`` (``127.0.0.1:port``); ends with ``close`` or its block."""

    def __init__(self, profile: Profile, upstream: str) -> None:
        super().__init__(profile)
        self.upstream = upstream
        self.frozen = False
        self.limit = Limit()
        self._late: dict[str, tuple[str, bytes]] = {}
        self.referrers: dict[tuple[str, str], list[dict[str, Any]]] = {}
        self.log: list[Logged] = []
        self.begun: list[str] = []
        self.judged = threading.Condition()
        self.connections = 0
        self._http = urllib3.PoolManager(retries=False, maxsize=32)
        self._server = _FrontServer(("127.0.0.1", 0), _FrontHandler)
        self._server.registry = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    @property
    def address(self) -> str:
        """Return ``127.0.0.1:port``, where the front listens."""
        return f"127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop serving and close every connection and thread."""
        self._server.shutdown()
        self._server.close_connections()
        self._server.server_close()
        self._thread.join()
        self._http.clear()

    def appear_late(self, reference: Reference, manifest: Manifest) -> None:
        """Let another run write the tag after it was found absent: just before the next PUT of it."""
        self._late[f"/v2/{reference.repository}/manifests/{reference.tag}"] = (manifest.media_type, manifest.data)

    def wait_for(self, method: str, seconds: float = 20.0) -> None:
        """Wait until a request of ``method`` has been let in, its body still to come."""
        with self.judged:
            assert self.judged.wait_for(lambda: method in self.begun, seconds), method

    def asked(self, method: str = ".*", path: str = "/v2/") -> list[Logged]:
        """Return the logged requests whose method matches and whose URL contains ``path``."""
        return [item for item in self.log if re.fullmatch(method, item.method) and path in item.path]

    def token_requests(self) -> list[Logged]:
        """Return what the token server was asked."""
        realm = self.profile.realm
        return [item for item in self.log if realm and item.path.partition("?")[0].endswith(f"://{realm}")]

    def judge(self, asked: Asked) -> Reply | None:
        """Return the refusal of a request by what stands before its body: registries read that later."""
        refusal = self._limited(asked)
        if refusal is None and not self.is_token(asked):
            refusal = self._other_host(asked) or self.authorized(asked)
        with self.judged:
            self.begun.append(asked.request.method)
            self.judged.notify_all()
        return refusal

    def answer(self, asked: Asked, refusal: Reply | None) -> Reply:
        """Return the answer to a request, with its effect; ``refusal`` is what was judged before its body came."""
        with self.lock:
            self.log.append(asked.request)
        if refusal is not None:
            reply = refusal
        elif self.is_token(asked):
            reply = self.token(asked)
        else:
            reply = self._refused(asked) or self._served(asked)
        reply.headers.update(self.profile.extra_headers)
        return reply

    def _limited(self, asked: Asked) -> Reply | None:
        with self.lock:
            if self.limit.times < 1 or self.limit.path not in asked.request.path:
                return None
            self.limit.times -= 1
        reply = self.profile.limited.reply()
        until = time.time() + LIMITED_SECONDS
        values = {"seconds": str(LIMITED_SECONDS), "date": formatdate(until, usegmt=True), "epoch": str(int(until))}
        if self.profile.retry_after:
            reply.headers["Retry-After"] = values[self.profile.retry_after]
        return reply

    def _other_host(self, asked: Asked) -> Reply | None:
        served = self.profile.api_host or self.profile.host
        return None if asked.host == served else Reply(421, {}, f"{asked.host} is not served here".encode())

    def _refused(self, asked: Asked) -> Reply | None:
        """Return the refusal of an authorised request by the registry's own rules."""
        profile = self.profile
        if asked.repository and not self.exists(asked.repository):
            if profile.creates_on_push and asked.action == "push":
                self.repositories.add(asked.repository)
            elif profile.missing is not None and not is_hidden(profile):
                return profile.missing.reply(asked.repository)
        if asked.request.method == "DELETE" and profile.deletes is not None:
            return profile.deletes.reply(asked.repository, asked.rest)
        late = self._late.pop(asked.path, None) if asked.request.method == "PUT" else None
        if late is not None:
            headers = {"Content-Type": late[0]}
            self._http.request("PUT", f"http://{self.upstream}{asked.path}", body=late[1], headers=headers)
        is_rewrite = asked.request.method == "PUT" and asked.is_tag and self.frozen
        if is_rewrite and profile.immutable is not None and self._forward(asked, "HEAD").status == 200:
            return profile.immutable.reply(asked.repository, asked.rest)
        return None

    def _served(self, asked: Asked) -> Reply:
        profile = self.profile
        if asked.kind == "referrers" and profile.referrers:
            return self._listed(asked)
        if asked.kind == "blobs" and not profile.mounts and "mount=" in asked.query:
            asked = Asked(asked.request, asked.host, asked.path, "", asked.repository, asked.kind, asked.rest)
        reply = self._forward(asked)
        if asked.request.method == "PATCH" and reply.status == 202:
            reply.status = profile.patched
        if asked.kind == "manifests" and asked.action == "pull" and reply.status == 404 and profile.absent is not None:
            return profile.absent.reply(asked.repository, asked.rest)
        if profile.referrers and reply.status == 201 and asked.kind == "manifests":
            self._remember(asked, reply)
        return reply

    def _remember(self, asked: Asked, reply: Reply) -> None:
        document = json.loads(asked.request.body)
        subject = document.get("subject")
        if subject is None:
            return
        reply.headers["OCI-Subject"] = subject["digest"]
        descriptor = {
            "mediaType": document["mediaType"],
            "digest": digest_of(asked.request.body),
            "size": len(asked.request.body),
            "artifactType": document.get("artifactType", ""),
            "annotations": document.get("annotations") or {},
        }
        with self.lock:
            self.referrers.setdefault((asked.repository, subject["digest"]), []).append(descriptor)

    def _listed(self, asked: Asked) -> Reply:
        found = self.referrers.get((asked.repository, asked.rest), [])
        media_type = "application/vnd.oci.image.index.v1+json"
        body = to_json({"schemaVersion": 2, "mediaType": media_type, "manifests": found})
        return Reply(200, {**SPEC, "Content-Type": media_type}, body)

    def _forward(self, asked: Asked, method: str = "") -> Reply:
        request = asked.request
        drop = _HOP_BY_HOP if self.profile.scheme == "own" else _HOP_BY_HOP | {"authorization"}
        headers = {name: value for name, value in request.headers.items() if name not in drop}
        if method:
            headers = {"accept": ", ".join(ACCEPTED)}
        answer = self._http.request(
            method or request.method,
            f"http://{self.upstream}{asked.path}{f'?{asked.query}' if asked.query else ''}",
            body=None if method else request.body or None,
            headers={**headers, "Host": asked.host},
            redirect=False,
            decode_content=False,
        )
        kept = {name: value for name, value in answer.headers.items() if name.lower() not in _HOP_BY_HOP}
        return Reply(answer.status, kept, answer.data)


class _FrontServer(Server):
    registry: RegistryFront  # type: ignore[assignment] # the base class serves a FakeRegistry


class _FrontHandler(Handler):
    server: _FrontServer

    def serve(self) -> None:
        """Answer one request as the front does."""
        registry = self.server.registry
        headers = {name.lower(): value for name, value in self.headers.items()}
        refusal = registry.judge(take_apart(Logged(self.command, self.path, headers)))
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        self._send(registry.answer(take_apart(Logged(self.command, self.path, headers, body)), refusal))

    do_GET = do_HEAD = do_PUT = do_POST = do_PATCH = do_DELETE = serve  # noqa: N815 - the base class names them so
