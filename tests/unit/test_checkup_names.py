from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_kit.checkup.names import clashes, looks_secret, with_parents

SECRETS = [
    ".env",
    ".env.production",
    "a/.env.local",
    "id_rsa",
    "keys/id_ed25519",
    "server.pem",
    "tls/private.pem",
    "x.p12",
    "x.pfx",
    ".npmrc",
    "a/.npmrc",
    ".pypirc",
    ".netrc",
    ".git-credentials",
    "credentials",
    "credentials.json",
    ".aws/credentials",
    "home/.aws/config",
    ".docker/config.json",
    ".dockercfg",
    "kubeconfig",
    "prod.kubeconfig",
    ".kube/config",
    "gcp-service-account.json",
    "service_account.json",
    "serviceAccountKey.json",
    "ID_RSA",
    ".ssh/anything",
    "x.jks",
    ".htpasswd",
]
HARMLESS = [
    "env",
    ".envrc",
    "environment.ts",
    ".env.example",
    ".env.sample",
    ".env.local.example",
    "id_rsa.pub",
    "certs/ca.pem",
    "cacert.pem",
    "fullchain.pem",
    "credentials.py",
    "src/credentials.ts",
    "credentials/index.js",
    "config.json",
    "docker/config.json",
    "npmrc",
    ".ssh/known_hosts",
    ".ssh/id_rsa.pub",
    "service.json",
    "account.json",
    ".environment",
    "pem",
]


@pytest.mark.parametrize("path", SECRETS)
def test_usual_names_of_secrets_are_recognised(path: str) -> None:
    """Names that tools give to their secrets, at any depth."""
    assert looks_secret(path.encode())
    assert looks_secret(b"deep/er/" + path.encode())


@pytest.mark.parametrize("path", HARMLESS)
def test_names_that_only_resemble_secrets_are_not_told(path: str) -> None:
    """Examples, public keys, public certificates and source files are no secrets."""
    assert not looks_secret(path.encode())


@pytest.mark.parametrize(
    ("paths", "by_case", "by_form"),
    [
        ([b"a", b"b"], [], []),
        ([b"a", b"A"], [b"A", b"a"], []),
        ([b"d/x", b"D/x"], [b"D", b"d"], []),
        ([b"d/a", b"e/A"], [], []),
        (
            ["é".encode(), "e\N{COMBINING ACUTE ACCENT}".encode()],
            [],
            ["e\N{COMBINING ACUTE ACCENT}".encode(), "é".encode()],
        ),
        (["straße".encode(), b"STRASSE"], [b"STRASSE", "straße".encode()], []),
        ([b"\xff", b"\xfe"], [], []),
    ],
)
def test_clashes_name_the_topmost_pair(paths: list[bytes], by_case: list[bytes], by_form: list[bytes]) -> None:
    """Two directories that clash are told, not all that lies below them."""
    assert clashes(paths) == (by_case, by_form)


@given(st.sets(st.text("abc/", min_size=1).map(lambda text: text.strip("/")).filter(bool), max_size=20))
def test_lower_case_ascii_never_clashes(names: set[str]) -> None:
    """Distinct names without letters that fold never clash."""
    assert clashes(name.encode() for name in names if "//" not in name) == ([], [])


def test_parents_are_named_once_and_without_the_top() -> None:
    """Every directory above a path, down from the first."""
    assert with_parents([b"a/b/c", b"a/d"]) == {b"a", b"a/b", b"a/b/c", b"a/d"}
