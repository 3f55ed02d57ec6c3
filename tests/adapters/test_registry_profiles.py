"""One contract over every registry of the field: logins, verdicts, refusals, tokens and limits.

Each registry is a real one behind a front that answers as that registry is documented to (``fakes/registry_profiles``).
"""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest
from fakes.registry_front import LIMITED_SECONDS
from fakes.registry_profiles import PROFILES, WITH_FRONT, WITH_LOGIN, WITH_TOKENS, only
from fakes.registry_profiles_cloud import ECR, ECR_PUBLIC
from fakes.registry_profiles_own import HARBOR, QUAY
from fakes.registry_scene import WRONG, RegistryScene

from pipeline_kit.errors import (
    AuthenticationFailed,
    RegistryRefused,
    RepositoryMissing,
)
from pipeline_kit.plan import Verdict

pytestmark = pytest.mark.registry


def test_the_login_that_its_tool_leaves_is_found(scene: RegistryScene) -> None:
    """Each form of a login, at the key where that registry's tool puts it, sees a private image."""
    pushed = scene.put()
    answer = scene.client().observe(scene.reference())
    assert (answer.verdict, answer.digest, answer.detail) == (Verdict.PRESENT, pushed.digest, "")


def test_requests_and_tokens(scene: RegistryScene) -> None:
    """Three tags cost three requests, one to learn the challenge where that is not known, one for the token."""
    names = ("one", "two", "three")
    references = [scene.reference(name) for name in names]
    for name in names:
        scene.put(name)
    client = scene.client()
    assert {answer.verdict for answer in client.observe_all(references)} == {Verdict.PRESENT}
    assert len(scene.front.log) == scene.profile.requests_to_observe
    assert len(scene.front.token_requests()) == (scene.profile.scheme == "bearer")
    before = len(scene.front.log)
    client.observe_all(references)
    assert len(scene.front.log) == before + 3
    assert client.statistics.retries == []


def test_an_absent_tag_is_absent(scene: RegistryScene) -> None:
    """A tag that an existing repository lacks leads to a build, in whatever words the registry says so."""
    scene.put()
    assert scene.client().observe(scene.reference(tag="other")).verdict is Verdict.ABSENT


def test_an_absent_tag_is_absent_to_a_reader(scene: RegistryScene) -> None:
    """A login that may only pull learns of an absence as well."""
    scene.put()
    account = scene.front.reader if scene.profile.reader.user else scene.front.pusher
    assert scene.client(account).observe(scene.reference(tag="other")).verdict is Verdict.ABSENT


def test_a_missing_repository(scene: RegistryScene) -> None:
    """It is absent where a push makes it and the registry says so; else denied, with what to do."""
    answer = scene.client().observe(scene.missing())
    if scene.profile.missing_is_absent:
        assert answer.verdict is Verdict.ABSENT
        return
    assert answer.verdict is Verdict.DENIED
    assert scene.profile.missing_hint in answer.hint
    assert not re.search(r"[^\x20-\x7e]", answer.hint)


def test_one_missing_repository_spoils_no_other(scene: RegistryScene) -> None:
    """A repository that is missing does not change the verdict about one that is asked in the same wave."""
    scene.put("one")
    scene.put("two")
    answers = scene.client().observe_all([scene.reference("one"), scene.missing(), scene.reference("two")])
    assert [answer.verdict is Verdict.PRESENT for answer in answers] == [True, False, True]


@WITH_LOGIN
def test_a_wrong_password(scene: RegistryScene) -> None:
    """It is refused in a few requests without a retry, with how to log in, and shown nowhere."""
    scene.put()
    wrong = dataclasses.replace(
        scene.front.pusher,
        password=WRONG if scene.front.pusher.password else "",
        identity_token=WRONG if scene.front.pusher.identity_token else "",
    )
    client = scene.client(wrong)
    answer = client.observe(scene.reference())
    assert answer.verdict is Verdict.DENIED
    assert f"pipeline-kit login {scene.profile.host}" in answer.hint
    assert WRONG not in str(answer)
    assert len(scene.front.log) <= 3
    assert client.statistics.retries == []


@WITH_LOGIN
def test_a_wrong_password_is_a_failed_login(scene: RegistryScene) -> None:
    """Where the registry says that it does not know the login, so does the error."""
    scene.put()
    wrong = dataclasses.replace(scene.front.pusher, password=WRONG, identity_token="")
    with pytest.raises(RegistryRefused) as caught:
        scene.client(wrong).manifest(scene.reference())
    assert caught.value.exit_code == 3
    if scene.profile.bad_login.status != 403:
        assert isinstance(caught.value, AuthenticationFailed)


@WITH_LOGIN
def test_nobody_and_a_private_image(scene: RegistryScene) -> None:
    """Without a login a private image is denied, never absent, with how to log in."""
    scene.put()
    answer = scene.anonymous().observe(scene.reference())
    assert answer.verdict is Verdict.DENIED
    assert f"pipeline-kit login {scene.profile.host}" in answer.hint


@WITH_TOKENS
def test_nobody_and_a_public_image(scene: RegistryScene) -> None:
    """Without a login a public image is seen, with a token for nobody, and no credential is sent."""
    pushed = scene.put()
    scene.front.public.add(scene.reference().repository)
    assert scene.anonymous().observe(scene.reference()).digest == pushed.digest
    assert [item.headers.get("authorization") for item in scene.front.token_requests()] == [None]


@WITH_FRONT
def test_a_token_that_expires_in_mid_run(scene: RegistryScene) -> None:
    """It is replaced once and the request sent again, without a retry, whichever way the registry says so."""
    pushed = scene.put()
    client = scene.client()
    client.observe(scene.reference())
    scene.front.expire()
    scene.log_in(scene.front.pusher)
    before = len(scene.front.token_requests())
    assert client.observe(scene.reference()).digest == pushed.digest
    assert client.observe(scene.reference(tag="other")).verdict is Verdict.ABSENT
    assert len(scene.front.token_requests()) - before == (scene.profile.scheme == "bearer")
    assert client.statistics.retries == []


@WITH_FRONT
def test_a_login_that_is_refused_for_good(scene: RegistryScene) -> None:
    """Where fresh credentials are refused as expired too, the run ends after a few requests."""
    scene.put()
    client = scene.client()
    client.observe(scene.reference())
    scene.front.expire()
    scene.front.pusher = dataclasses.replace(scene.front.pusher, password="changed", identity_token="")
    before = len(scene.front.log)
    assert client.observe(scene.reference()).verdict is Verdict.DENIED
    assert len(scene.front.log) - before <= 4


@WITH_FRONT
@pytest.mark.parametrize("where", ["api", "token"])
def test_a_rate_limit_is_waited_out(scene: RegistryScene, where: str) -> None:
    """429 is waited out as long as Retry-After asks, as seconds, date or Unix time; else as long as ours."""
    if where == "token" and scene.profile.scheme != "bearer":
        where = "api"
    scene.put()
    scene.front.limit.times = 1
    scene.front.limit.path = scene.profile.realm if where == "token" else "/manifests/"
    client = scene.client()
    assert client.observe(scene.reference()).verdict is Verdict.PRESENT
    slept = scene.clock.slept
    assert [retry.status for retry in client.statistics.retries] == [429]
    if scene.profile.retry_after:
        assert LIMITED_SECONDS - 1.5 <= slept <= LIMITED_SECONDS * 1.1 + 0.5
    else:
        assert 0.2 <= slept <= 1.0


@WITH_FRONT
def test_a_rate_limit_that_does_not_end_is_unknown(scene: RegistryScene) -> None:
    """Being limited for longer than the call may take is unknown, never absent."""
    scene.put()
    scene.front.limit.times = 1000
    answer = scene.client().observe(scene.reference(tag="other"))
    assert answer.verdict is Verdict.UNKNOWN
    assert "429" in answer.detail


@WITH_LOGIN
def test_secrets_go_only_where_they_belong(scene: RegistryScene) -> None:
    """Passwords go to the token server alone where there is one, tokens to the API alone."""
    scene.put()
    scene.client().observe(scene.reference())
    tokens = scene.front.token_requests()
    for item in scene.front.log:
        scheme = item.headers.get("authorization", "").partition(" ")[0]
        if scene.profile.scheme != "bearer":
            assert scheme in ("", "Basic")
        elif item in tokens:
            assert (scheme == "Basic") != bool(scene.front.pusher.identity_token)
        else:
            assert scheme in ("", "Bearer")


def test_the_documentation_has_a_row_for_each() -> None:
    """docs/registries.md names every registry here and no other, with how it was tested."""
    text = (Path(__file__).parents[2] / "docs/registries.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| ([^|`]+) \|.*\| (\w+) \|$", text, re.MULTILINE)
    assert [row for row in rows if row[0] != "registry"] == [(profile.name, profile.tested) for profile in PROFILES]


def test_every_profile_names_its_sources() -> None:
    """What a registry is said to do is said with where that is from."""
    assert [profile.name for profile in PROFILES if not profile.sources] == []


@only(ECR)
def test_ecr_says_what_to_create(scene: RegistryScene) -> None:
    """A repository that a push does not make is an error of its own."""
    with pytest.raises(RepositoryMissing) as caught:
        scene.client().manifest(scene.missing())
    assert scene.missing().repository in caught.value.message


@only(ECR_PUBLIC)
def test_ecr_public_never_gets_basic(scene: RegistryScene) -> None:
    """The public ECR refuses Basic with 400: the challenge is learnt first, although the host is known."""
    scene.put()
    scene.client().observe(scene.reference())
    assert "authorization" not in scene.front.asked("HEAD")[0].headers


@only(HARBOR)
def test_harbor_keeps_its_tokens_after_a_basic_challenge(scene: RegistryScene) -> None:
    """Harbor answers a refused token with a Basic challenge: the password is not sent to the API for it."""
    scene.put()
    client = scene.reader()
    manifest = client.manifest(scene.reference())
    with pytest.raises(AuthenticationFailed):
        client.put_manifest(scene.reference(tag="new"), manifest)
    assert client.observe(scene.reference()).verdict is Verdict.PRESENT
    assert {item.headers.get("authorization", "Bearer").partition(" ")[0] for item in scene.front.asked()} == {"Bearer"}


@only(QUAY)
def test_quay_creates_no_repository_by_being_asked(scene: RegistryScene) -> None:
    """Asking never names the push scope: to Quay that would make the repository."""
    scene.client().observe(scene.missing())
    assert all("push" not in item.path for item in scene.front.token_requests())
    assert not scene.front.exists(scene.missing().repository)
