from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_kit.errors import InvalidReference
from pipeline_kit.reference import Reference, is_digest, is_host, is_repository, is_tag, parse_reference

DIGEST = f"sha256:{'a' * 64}"
LONG = f"sha512:{'b' * 128}"
ECR = "111122223333.dkr.ecr.eu-west-1.amazonaws.com"

LEGAL: list[tuple[str, Reference]] = [
    ("alpine", Reference("docker.io", "library/alpine")),
    ("alpine:3.20", Reference("docker.io", "library/alpine", "3.20")),
    (f"alpine@{DIGEST}", Reference("docker.io", "library/alpine", None, DIGEST)),
    (f"alpine:3.20@{DIGEST}", Reference("docker.io", "library/alpine", "3.20", DIGEST)),
    (f"alpine@{LONG}", Reference("docker.io", "library/alpine", None, LONG)),
    ("acme/api", Reference("docker.io", "acme/api")),
    ("docker.io/alpine", Reference("docker.io", "library/alpine")),
    ("index.docker.io/acme/api", Reference("docker.io", "acme/api")),
    ("docker.io/library/alpine:3", Reference("docker.io", "library/alpine", "3")),
    ("index.docker.io/alpine", Reference("docker.io", "library/alpine")),
    ("registry-1.docker.io/library/alpine", Reference("registry-1.docker.io", "library/alpine")),
    ("registry:5000/api", Reference("registry:5000", "api")),
    (f"localhost:5000/a/b:x@{DIGEST}", Reference("localhost:5000", "a/b", "x", DIGEST)),
    (f"[fd00::1]:5000/a:x@{LONG}", Reference("[fd00::1]:5000", "a", "x", LONG)),
    ("xn--80ak6aa92e.com/a", Reference("xn--80ak6aa92e.com", "a")),
    ("1.2.3.4/a/b_c__d.e-f---g", Reference("1.2.3.4", "a/b_c__d.e-f---g")),
    ("localhost/api", Reference("localhost", "api")),
    ("localhost:5000/api:x", Reference("localhost:5000", "api", "x")),
    ("127.0.0.1:5000/a/b/c", Reference("127.0.0.1:5000", "a/b/c")),
    ("[::1]:5000/api", Reference("[::1]:5000", "api")),
    (f"{ECR}/shop/api:c-1", Reference(ECR, "shop/api", "c-1")),
    ("ghcr.io/acme/a__b.c-d--e", Reference("ghcr.io", "acme/a__b.c-d--e")),
    ("Registry/api", Reference("Registry", "api")),
    ("registry/api", Reference("docker.io", "registry/api")),
    ("a.b/c:_T.a-g", Reference("a.b", "c", "_T.a-g")),
    (f"a.b/c:{'t' * 128}", Reference("a.b", "c", "t" * 128)),
]

ILLEGAL = [
    "",
    " ",
    "alpine ",
    "alpine\n",
    ":tag",
    "alpine:",
    "alpine@",
    "alpine@sha256:abc",
    f"alpine@{DIGEST.upper()}",
    f"alpine@{DIGEST}x",
    f"alpine@{DIGEST}@{DIGEST}",
    "Alpine",
    "acme/Api",
    "alpine:-x",
    "alpine:.x",
    "alpine:a/b",
    f"alpine:{'t' * 129}",
    "a//b",
    "/a",
    "a/",
    "a.b/",
    "a.b/c/",
    "a_.b/c_",
    "a.b/c..d",
    "a.b/-c",
    "a.b:port/c",
    "a.b:/c",
    "-a.b/c",
    "http://a.b/c",
    "a.b/c?x",
    "a.b/ä",
    "a.b/c:ä",
    "../../etc/passwd",
    f"a.b/{'c' * 300}",
    "$(id)",
    "a.b/c\0d",
]


@pytest.mark.parametrize(("text", "expected"), LEGAL, ids=[text for text, _ in LEGAL])
def test_legal_references(text: str, expected: Reference) -> None:
    """Short names follow Docker, and the full form parses back to the same value."""
    assert parse_reference(text) == expected
    assert parse_reference(str(expected)) == expected


@pytest.mark.parametrize("text", ILLEGAL)
def test_illegal_references(text: str) -> None:
    """Anything outside the grammar is refused, in one line that shows what was read."""
    with pytest.raises(InvalidReference) as caught:
        parse_reference(text)
    assert "\n" not in caught.value.message
    assert len(caught.value.message) < 700


@pytest.mark.parametrize(
    "text",
    [
        "user:hunter2@host/repo",
        "user:hunter2@host:5000/repo:tag",
        "https://user:hunter2@host/repo",
        "//user:hunter2@host/repo",
        "hunter2@ghcr.io/acme/api",
        "user:hun/hunter2@host/repo",
        "user:hunter2@",
        "user:x@hunter2@host/repo",
        f"user:hunter2@host/repo@{'a' * 64}",
    ],
)
def test_credentials_never_reach_a_message(text: str) -> None:
    """A password written into a reference is refused without being repeated."""
    with pytest.raises(InvalidReference) as caught:
        parse_reference(text)
    assert "hunter2" not in caught.value.message
    assert "hunter2" not in str(caught.value.hint)


_COMPONENTS = st.from_regex(r"[a-z0-9]{1,4}((\.|_|__|-{1,3})[a-z0-9]{1,4}){0,2}", fullmatch=True)
_HOSTS = st.one_of(
    st.sampled_from(["docker.io", "localhost", "localhost:5000", "[::1]:80", ECR]),
    st.from_regex(r"[a-z0-9]{1,5}\.[a-z]{2,3}(:[0-9]{1,5})?", fullmatch=True),
).filter(lambda host: host != "index.docker.io")
_TAGS = st.none() | st.text(string.ascii_letters + string.digits + "_.-", min_size=1, max_size=20).filter(is_tag)
_DIGESTS = st.none() | st.text("0123456789abcdef", min_size=64, max_size=64).map("sha256:{}".format)


@given(_HOSTS, st.lists(_COMPONENTS, min_size=1, max_size=3).map("/".join), _TAGS, _DIGESTS)
def test_parse_is_the_inverse_of_format(host: str, repository: str, tag: str | None, digest: str | None) -> None:
    """Whatever is formatted parses back to an equal value (docker.io names get their library/)."""
    if host == "docker.io" and "/" not in repository:
        repository = f"library/{repository}"
    reference = Reference(host, repository, tag, digest)
    assert parse_reference(str(reference)) == reference


@given(st.text(max_size=40))
def test_any_text_parses_or_is_refused(text: str) -> None:
    """No text raises anything else, and what parses is in the grammar and stable."""
    try:
        reference = parse_reference(text)
    except InvalidReference:
        return
    assert is_host(reference.host)
    assert is_repository(reference.repository)
    assert parse_reference(str(reference)) == reference


def test_identifier_prefers_the_digest() -> None:
    """The API is asked by digest, else by tag, else for latest."""
    base = Reference("a.b", "c")
    assert base.identifier == "latest"
    assert base.with_tag("x").identifier == "x"
    assert Reference("a.b", "c", "x", DIGEST).identifier == DIGEST
    assert base.with_tag("x").with_digest(DIGEST) == Reference("a.b", "c", None, DIGEST)
    assert base.with_digest(DIGEST).with_tag("x") == Reference("a.b", "c", "x")
    assert base.name == "a.b/c"


@pytest.mark.parametrize("text", ["", "-x", "x" * 129, "a b", "a\n", DIGEST])
def test_with_tag_refuses_what_is_no_tag(text: str) -> None:
    """A tag cannot be made illegal through the back door."""
    with pytest.raises(InvalidReference):
        Reference("a.b", "c").with_tag(text)


@pytest.mark.parametrize("text", ["", "latest", "sha256:abc", f"{DIGEST}\n", DIGEST.upper()])
def test_with_digest_refuses_what_is_no_digest(text: str) -> None:
    """A digest is the algorithm and lower-case hex, nothing else."""
    assert not is_digest(text)
    with pytest.raises(InvalidReference):
        Reference("a.b", "c").with_digest(text)
