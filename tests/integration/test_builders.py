"""One contract for every builder, against real engines: buildx on both image stores, and the classic builder."""

from __future__ import annotations

import base64
import hashlib
import itertools
import os
import signal
import socket
import tempfile
import time
import urllib.error
import urllib.request
import uuid
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import stack
from fakes.fake_clock import FakeClock
from fakes.fault_proxy import FaultProxy

from pipeline_kit.adapters.builders import open_builder
from pipeline_kit.errors import EngineUnreachable, InputError, RegistryUnreachable
from pipeline_kit.ports.builder import BuildRequest, ContextFile
from pipeline_kit.values import replace

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeline_kit.adapters.builders import Prefer
    from pipeline_kit.ports.builder import Builder, BuildEvent, BuildOutcome

pytestmark = [pytest.mark.engine, pytest.mark.registry, pytest.mark.xdist_group("engine")]

_ACCEPT = (
    "application/vnd.oci.image.index.v1+json, application/vnd.docker.distribution.manifest.list.v2+json, "
    "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json"
)
_KINDS = ("buildx-containerd", "buildx-classic", "engine-classic")


def observe(reference: str) -> str | None:
    """Return the digest that a plain registry has for ``host/repository:tag`` or ``…@digest``."""
    host, _, path = reference.partition("/")
    repository, _, identifier = path.rpartition("@") if "@" in path else path.rpartition(":")
    url = f"http://{host}/v2/{repository}/manifests/{identifier}"
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers={"Accept": _ACCEPT}), timeout=10) as answer:
            return f"sha256:{hashlib.sha256(answer.read()).hexdigest()}"
    except urllib.error.HTTPError as error:
        with error:
            if error.code == HTTPStatus.NOT_FOUND:
                return None
            pytest.fail(f"{url}: {error}")
    except urllib.error.URLError as error:
        raise RegistryUnreachable(f"{host}: {error.reason}") from error


def walk(request: BuildRequest) -> Iterator[ContextFile]:
    """Yield everything below the context: these tests ignore nothing."""
    root = Path(request.context)
    for path in sorted(root.rglob("*")):
        status = path.lstat()
        link = os.fsencode(path.readlink()) if path.is_symlink() else b""
        yield ContextFile(os.fsencode(path.relative_to(root)), status.st_mode, os.fsencode(path), link)


class _Clock(FakeClock):
    """Real time, in which only sleeping is free."""

    def monotonic(self) -> float:
        return time.monotonic() + self.slept


@dataclass
class Bench:
    """A builder under test, and what makes requests for it."""

    kind: str
    environ: dict[str, str]
    host: str
    folder: Path
    clock: FakeClock = field(default_factory=_Clock)
    events: list[BuildEvent] = field(default_factory=list)
    mark: str = field(default_factory=lambda: uuid.uuid4().hex[:12])

    def open(self, **options: Any) -> Builder:
        """Open the builder."""
        prefer: Prefer = "engine" if self.kind.startswith("engine") else "buildx"
        return open_builder(
            self.environ,
            clock=self.clock,
            observe=observe,
            credentials=lambda _: None,
            context_files=walk,
            prefer=prefer,
            **options,
        )

    @property
    def base(self) -> str:
        """A base image with a shell."""
        return f"{self.host}/library/busybox:1.36"

    def request(self, name: str, dockerfile: str, files: dict[str, str] | None = None, **members: Any) -> BuildRequest:
        """Write a context and return the request for it."""
        context = self.folder / name
        context.mkdir()
        (context / "Dockerfile").write_text(dockerfile)
        for path, text in (files or {}).items():
            (context / path).parent.mkdir(parents=True, exist_ok=True)
            (context / path).write_text(text)
        plain = BuildRequest(
            name=name,
            context=str(context),
            dockerfile=str(context / "Dockerfile"),
            target=None,
            args={},
            contexts={},
            platforms=("linux/amd64",),
            labels={"test.mark": self.mark},
            repository=f"{self.host}/builders/{self.mark}/{name}",
            tag=f"pk-{self.mark}",
        )
        return replace(plain, **members)

    def build(self, *requests: BuildRequest, push: bool = True, **options: Any) -> dict[str, BuildOutcome]:
        """Build and return the outcomes, with the digest filled in for what had to be pushed afterwards.

        The second engine of a loaded machine now and then resets a connection: then once more.
        """
        builder = self.open(**options)
        outcomes = dict(builder.build(requests, push=push, on_event=self.events.append))
        if any("docker.sock->@: read: connection reset" in outcome.error for outcome in outcomes.values()):
            outcomes = dict(builder.build(requests, push=push, on_event=self.events.append))
        for request in requests:
            if push and outcomes[request.name].is_local:
                digest = builder.push(request, self.events.append)
                outcomes[request.name] = outcomes[request.name]._replace(digest=digest)
        return outcomes

    def log(self, name: str) -> list[str]:
        """Return the lines that the build of ``name`` wrote."""
        return [event.text for event in self.events if event.image == name and event.kind == "log"]

    def has(self, request: BuildRequest, digest: str | None) -> bool:
        """Return whether the registry holds ``digest``."""
        return digest is not None and observe(f"{request.repository}@{digest}") == digest


@pytest.fixture(scope="module")
def classic_env(running_stack: stack.Stack) -> Iterator[dict[str, str]]:
    """Environment of a second engine, with the classic image store."""
    assert running_stack.registry
    with stack.classic_engine() as engine:
        yield engine.process_environment()


@pytest.fixture(params=_KINDS)
def bench(
    request: pytest.FixtureRequest,
    running_stack: stack.Stack,
    registry_host: str,
    engine_env: dict[str, str],
    tmp_path: Path,
) -> Bench:
    """One builder after the other."""
    stack.seed_base(running_stack.engine, registry_host)
    kind = str(request.param)
    environ = engine_env if kind.endswith("containerd") else request.getfixturevalue("classic_env")
    contexts = tmp_path / "contexts"
    contexts.mkdir()
    return Bench(kind, dict(environ), registry_host, contexts)


def test_graph_is_built_and_pushed(bench: Bench) -> None:
    """Three images, one upon the other, are built in one call and the registry holds each by digest."""
    base = bench.request("a.base", f"FROM {bench.base}\nRUN echo {bench.mark} > /one\n")
    app = bench.request(
        "app", "FROM base\nCOPY . /files/\nRUN cat /one '/files/with space/a b.txt'\n",
        {"with space/a b.txt": "spaced\n"}, contexts={"base": "target:a.base"},
    )  # fmt: skip
    top = bench.request("top", "FROM app AS x\nRUN echo top-$(cat /one)\n", contexts={"app": "target:app"})
    outcomes = bench.build(top, app, base)
    assert [outcomes[name].error for name in outcomes] == ["", "", ""]
    assert list(outcomes) == ["top", "app", "a.base"]
    assert all(bench.has(request, outcomes[request.name].digest) for request in (base, app, top))
    # BuildKit may show a step of an image as one of what builds upon it.
    assert {bench.mark, "spaced"} <= set(bench.log("app") + bench.log("top"))
    assert f"top-{bench.mark}" in bench.log("top")
    assert all(outcome.seconds > 0 for outcome in outcomes.values())
    assert {(event.image, event.kind) for event in bench.events} >= {
        (n, k) for n in outcomes for k in ("start", "done")
    }


def test_nothing_to_build(bench: Bench) -> None:
    """No requests give no outcomes."""
    assert bench.build() == {}


def test_base_is_pinned(bench: Bench, running_stack: stack.Stack) -> None:
    """A tag that moves between deciding and building changes nothing: the build uses the digest."""
    repository = f"builders/{bench.mark}/base"
    first = stack.seed_base(
        running_stack.engine, bench.host, repository, "1", version=f"old-{bench.mark}", replace=True
    )
    stack.seed_base(running_stack.engine, bench.host, repository, "1", version=f"new-{bench.mark}", replace=True)
    reference = f"{bench.host}/{repository}:1"
    pinned = {reference: f"docker-image://{bench.host}/{repository}@{first}"}
    text = f"ARG TAG=1\nFROM {bench.host}/{repository}:${{TAG}} AS one\nRUN echo base-$(cat /etc/base-version)\n"
    text += f"FROM {reference}\nCOPY --from={reference} /etc/base-version /copied\nRUN echo copied-$(cat /copied)\n"
    text += "COPY --from=one /bin/sh /sh\n"
    outcomes = bench.build(bench.request("app", text, contexts=pinned), push=False)
    assert outcomes["app"].error == ""
    assert {f"base-old-{bench.mark}", f"copied-old-{bench.mark}"} <= set(bench.log("app"))


def test_failure_stops_only_dependants(bench: Bench) -> None:
    """A failed step fails its image with its output, blocks what builds upon it, and nothing else."""
    bad = bench.request(
        "bad", f"FROM {bench.base}\nRUN echo why-{bench.mark}; echo Cannot connect to the Docker daemon; exit 7\n"
    )
    upon = bench.request("upon", "FROM bad\nRUN true\n", contexts={"bad": "target:bad"})
    far = bench.request("far", "FROM upon\nRUN true\n", contexts={"upon": "target:upon"})
    good = bench.request("good", f"FROM {bench.base}\nRUN sleep 1; echo {bench.mark}\n")
    outcomes = bench.build(bad, upon, far, good)
    assert "7" in outcomes["bad"].error
    assert f"why-{bench.mark}" in outcomes["bad"].log_tail
    assert not outcomes["bad"].is_blocked
    assert outcomes["upon"].is_blocked
    assert "bad" in outcomes["upon"].error
    assert outcomes["far"].is_blocked
    assert outcomes["good"].error == ""
    assert bench.has(good, outcomes["good"].digest)
    assert [event.image for event in bench.events if event.kind == "failed"] == ["bad"]


def test_syntax_error_is_blamed_on_its_image(bench: Bench) -> None:
    """A Dockerfile that cannot be read fails its own image only."""
    bad = bench.request("bad", f"FROM {bench.base}\nFLY away\n")
    good = bench.request("good", f"FROM {bench.base}\nRUN echo {bench.mark}\n")
    also = bench.request("also", f"FROM {bench.base}\nRUN echo {bench.mark} also\n")
    outcomes = bench.build(good, bad, also)
    assert "FLY" in outcomes["bad"].error.upper()
    assert outcomes["good"].error == outcomes["also"].error == ""
    assert bench.has(good, outcomes["good"].digest)
    assert bench.has(also, outcomes["also"].digest)


def test_jobs_limit_what_is_built_at_once(bench: Bench) -> None:
    """With ``jobs`` every image is still built, dependencies from an earlier part included."""
    names = ["one", "two", "three"]
    requests = [bench.request(names[0], f"FROM {bench.base}\nRUN echo {bench.mark}\n")]
    for before, name in itertools.pairwise(names):
        requests.append(bench.request(name, "FROM before\nRUN echo\n", contexts={"before": f"target:{before}"}))
    outcomes = bench.build(*requests, push=False, jobs=1)
    assert [outcome.error for outcome in outcomes.values()] == ["", "", ""]


def test_registry_that_nobody_listens_at(bench: Bench) -> None:
    """A push to a dead port is tried four times, which is told each time, and then fails; the other is pushed."""
    told: list[str] = []
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        dead = f"127.0.0.1:{unused.getsockname()[1]}"
        lost = bench.request("lost", f"FROM {bench.base}\nRUN echo {bench.mark}\n", repository=f"{dead}/x/lost")
        fine = bench.request("fine", f"FROM {bench.base}\nRUN echo {bench.mark} fine\n")
        builder = bench.open(on_retry=lambda name, retry: told.append(f"{name} {retry.failed_attempt}"))
        outcomes = builder.build([lost, fine], push=True, on_event=bench.events.append)
        if outcomes["lost"].is_local:
            with pytest.raises(RegistryUnreachable):
                builder.push(lost, bench.events.append)
            assert bench.has(fine, builder.push(fine, bench.events.append))
        else:
            assert "refused" in outcomes["lost"].error
            assert outcomes["lost"].exit_code == RegistryUnreachable.exit_code
            assert bench.has(fine, outcomes["fine"].digest)
    assert len(bench.clock.sleeps) == 3
    assert told == ["lost 1", "lost 2", "lost 3"]


def test_registry_that_is_busy_once(bench: Bench) -> None:
    """A manifest refused with 503 is pushed again."""
    with FaultProxy(bench.host) as proxy:
        proxy.add("answer", method="PUT", path="/manifests/", body=b"busy")
        repository = f"{proxy.host}/builders/{bench.mark}/busy"
        busy = bench.request("busy", f"FROM {bench.base}\nRUN echo {bench.mark}\n", repository=repository)
        outcomes = bench.build(busy)
        assert outcomes["busy"].error == ""
        assert bench.has(busy, outcomes["busy"].digest)
        assert [hit.status for hit in proxy.hits() if hit.fault] == [503]


def test_interruption_leaves_nothing(bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SIGINT during a step ends the call at once, with every child and temporary file gone."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    slow = bench.request("slow", f"FROM {bench.base}\nRUN echo begun-{bench.mark}; sleep 60\n")
    began: list[float] = []

    def interrupt(event: BuildEvent) -> None:
        if event.kind == "log" and event.text == f"begun-{bench.mark}":
            began.append(time.monotonic())
            os.kill(os.getpid(), signal.SIGINT)

    builder = bench.open()
    with pytest.raises(KeyboardInterrupt):
        builder.build([slow], push=True, on_event=interrupt)
    assert time.monotonic() - began[0] < 10
    assert list(scratch.iterdir()) == []
    assert not [line for line in _command_lines() if str(scratch) in line]


def _command_lines() -> list[str]:
    lines: list[str] = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            lines.append(entry.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace"))
        except OSError:
            continue
    return lines


@pytest.mark.parametrize(
    "value",
    ["${x} %{if} $${y} %%{z} $x", "'single' \"double\" \\n \\", "a, b=c; $(id) `id`", "two\nlines\t", "é \u202e ~}"],
    ids=["templates", "quotes", "shell", "newline", "unicode"],
)
def test_build_arguments_arrive_literally(bench: Bench, value: str) -> None:
    """Whatever a build argument holds, the build sees exactly that."""
    text = f'FROM {bench.base}\nARG VALUE\nARG NONCE\nRUN printf %s "$VALUE" | base64 | tr -d "\\n"; echo\n'
    outcomes = bench.build(bench.request("app", text, args={"VALUE": value, "NONCE": bench.mark}), push=False)
    assert outcomes["app"].error == ""
    assert base64.b64encode(value.encode()).decode() in bench.log("app")


def test_labels_and_target(bench: Bench) -> None:
    """The target stage is built, not the last one."""
    text = f"FROM {bench.base} AS wanted\nRUN echo wanted-{bench.mark}\nFROM wanted\nRUN exit 1\n"
    outcomes = bench.build(bench.request("app", text, target="wanted", labels={"a.b": "${x}"}), push=False)
    assert outcomes["app"].error == ""
    assert f"wanted-{bench.mark}" in bench.log("app")


def test_needs_buildx(bench: Bench) -> None:
    """What the classic builder cannot do is refused with the reason; buildx does it."""
    text = f"FROM {bench.base}\nRUN --mount=type=secret,id=tok wc -c < /run/secrets/tok; : {bench.mark}\n"
    text += "COPY --from=more f /f\n"
    more = bench.folder / "more"
    more.mkdir()
    (more / "f").write_text("x")
    bench.environ["TOK_VALUE"] = "four"
    request = bench.request("app", text, contexts={"more": str(more)}, secrets={"tok": "env=TOK_VALUE"})
    outcome = bench.build(request, push=False)["app"]
    if bench.kind.startswith("engine"):
        assert outcome.error.startswith("needs docker buildx: ")
        assert "RUN --mount" in outcome.error
        assert "more is a directory" in outcome.error
    else:
        assert outcome.error == ""
        assert "4" in bench.log("app")


def test_several_platforms(bench: Bench) -> None:
    """Two platforms give an index on the containerd store, and a reason elsewhere."""
    request = bench.request("app", "FROM scratch\nCOPY f /f\n", {"f": bench.mark},
                            platforms=("linux/amd64", "linux/arm64"))  # fmt: skip
    outcome = bench.build(request)["app"]
    if bench.kind == "buildx-containerd":
        assert bench.has(request, outcome.digest)
    else:
        assert "several platforms" in outcome.error


def test_push_adopts_what_is_there(bench: Bench) -> None:
    """A local image is never pushed over a tag that is there already."""
    request = bench.request("app", f"FROM {bench.base}\nRUN echo {bench.mark}\n")
    builder = bench.open()
    outcomes = builder.build([request], push=False, on_event=bench.events.append)
    assert outcomes["app"].is_local
    first = builder.push(request, bench.events.append)
    assert observe(f"{request.repository}:{request.tag}") == first
    Path(request.context, "Dockerfile").write_text(f"FROM {bench.base}\nRUN echo other {bench.mark}\n")
    builder.build([request], push=False, on_event=bench.events.append)
    assert builder.push(request, bench.events.append) == first


def test_link_to_an_image_not_built_here(bench: Bench) -> None:
    """A ``target:`` of no request of the call is the caller's mistake and said so."""
    request = bench.request("app", "FROM gone\n", contexts={"gone": "target:gone"})
    with pytest.raises(InputError, match="gone"):
        bench.build(request)


@pytest.mark.parametrize("kind", _KINDS)
def test_engine_that_does_not_answer(kind: str, engine_env: dict[str, str], tmp_path: Path) -> None:
    """A dead socket is EngineUnreachable, with the socket and the variable that named it."""
    environ = engine_env | {"DOCKER_HOST": f"unix://{tmp_path}/none.sock"}
    bench = Bench(kind, environ, "127.0.0.1:1", tmp_path)
    request = bench.request("app", "FROM scratch\nCOPY . /\n")
    with pytest.raises(EngineUnreachable, match=r"none\.sock.*DOCKER_HOST"):
        bench.build(request)


def test_unknown_builder(engine_env: dict[str, str], tmp_path: Path) -> None:
    """A ``--builder`` that does not exist is named."""
    bench = Bench("buildx", engine_env, "127.0.0.1:1", tmp_path)
    with pytest.raises(EngineUnreachable, match="nobody"):
        bench.open(name="nobody")


def test_docker_config_of_the_callers(engine_env: dict[str, str], registry_host: str, tmp_path: Path) -> None:
    """With another docker configuration, the user's plugins are still found and images are built."""
    config = tmp_path / "config"
    config.mkdir()
    (config / "config.json").write_text("{}")
    bench = Bench("buildx", engine_env, registry_host, tmp_path)
    request = bench.request("app", f"FROM {bench.base}\nRUN echo {bench.mark}\n")
    outcomes = bench.build(request, docker_config=config)
    assert bench.has(request, outcomes["app"].digest)
