"""Registries that people run themselves, as documented or seen; the sources stand with each."""

from __future__ import annotations

from fakes.registry_profile import Account, Profile, Refusal

DOCKER_DENIED = Refusal(401, "UNAUTHORIZED", "authentication required")
_HARBOR_REFUSED = 'Basic realm="harbor"'

OPEN = Profile(
    name="Docker Registry, open",
    host="registry.test:5000",
    scheme="open",
    prefix="open",
    requests_to_observe=3,
    tested="real",
    sources=("https://distribution.github.io/distribution/about/configuration/",),
)

HTPASSWD = Profile(
    name="Docker Registry, htpasswd",
    host="registry.test:5001",
    scheme="own",
    prefix="htpasswd",
    pusher=Account("builder", "pässword:with colon"),
    requests_to_observe=4,
    tested="real",
    sources=("https://distribution.github.io/distribution/about/configuration/#htpasswd",),
)

TOKEN = Profile(
    name="Docker Registry, token",
    host="registry.test:5002",
    scheme="bearer",
    prefix="token",
    pusher=Account("builder", "secret"),
    reader=Account("guest", "guest-secret"),
    realm="auth.registry.test/token",
    service="registry.test",
    push_denied=DOCKER_DENIED,
    deletes=Refusal(405, "UNSUPPORTED", "The operation is unsupported."),
    requests_to_observe=5,
    sources=("https://distribution.github.io/distribution/spec/auth/token/",),
)

HARBOR = Profile(
    name="Harbor",
    host="harbor.example.com",
    scheme="bearer",
    prefix="shop",
    pusher=Account("robot$shop+ci", "harbor-write"),
    reader=Account("robot$shop+guest", "harbor-read"),
    realm="harbor.example.com/service/token",
    service="harbor-registry",
    missing=Refusal(401, "UNAUTHORIZED", "project {project} not found", challenge=""),
    missing_is_absent=False,
    missing_hint="create the project gone",
    creates_on_push=False,
    depth=1,
    absent=Refusal(404, "NOT_FOUND", "artifact {repository}:{tag} not found", is_spec=False),
    anonymous=Refusal(
        401, "UNAUTHORIZED", "unauthorized to access repository: {repository}, action: pull", challenge=_HARBOR_REFUSED
    ),
    push_denied=Refusal(
        401, "UNAUTHORIZED", "unauthorized to access repository: {repository}, action: push", challenge=_HARBOR_REFUSED
    ),
    expired=Refusal(
        401, "UNAUTHORIZED", "unauthorized to access repository: {repository}, action: pull", challenge=_HARBOR_REFUSED
    ),
    immutable=Refusal(
        412,
        "PRECONDITION",
        "Failed to process request due to '{repository}:{tag}' configured as immutable.",
        is_spec=False,
    ),
    deletes=Refusal(412, "PRECONDITION", "the artifact {repository} is immutable", is_spec=False),
    referrers=True,
    requests_to_observe=5,
    sources=(
        "https://github.com/goharbor/harbor/blob/main/src/server/middleware/v2auth/auth.go",
        "https://github.com/goharbor/harbor/blob/main/src/server/middleware/immutable/pushmf.go",
        "https://github.com/goharbor/harbor/issues/20764",  # 404 NOT_FOUND
        "https://github.com/buildpacks/lifecycle/pull/304",
    ),
)

QUAY = Profile(
    name="Quay",
    host="quay.io",
    scheme="bearer",
    prefix="acme",
    pusher=Account("acme+ci", "quay-write"),
    reader=Account("acme+guest", "quay-read"),
    realm="quay.io/v2/auth",
    service="quay.io",
    token_seconds=None,
    missing=Refusal(401, "UNAUTHORIZED", "access to the requested resource is not authorized"),
    missing_is_absent=False,
    missing_hint="create it",
    absent=Refusal(
        404,
        "TAG_EXPIRED",
        "Tag {tag} was deleted or has expired. To pull, revive via time machine",
        is_spec=False,
    ),
    anonymous=Refusal(401, "UNAUTHORIZED", "access to the requested resource is not authorized"),
    push_denied=Refusal(401, "UNAUTHORIZED", "access to the requested resource is not authorized"),
    bad_login=Refusal(401, "UNAUTHORIZED", "Invalid Username or Password"),
    immutable=Refusal(409, "TAG_IMMUTABLE", "tag is immutable and cannot be overwritten", is_spec=False),
    knows_delete=False,
    limited=Refusal(429, message="<html><head><title>429 Too Many Requests</title></head></html>", is_spec=False),
    referrers=True,
    requests_to_observe=5,
    sources=(
        "https://github.com/quay/quay/blob/master/endpoints/v2/v2auth.py",
        "https://github.com/quay/quay/blob/master/endpoints/v2/errors.py",
        "https://github.com/quay/clair/issues/1554",  # 404 TAG_EXPIRED
        "https://issues.redhat.com/browse/PROJQUAY-10859",  # immutable tags
    ),
)

GITLAB = Profile(
    name="GitLab",
    host="registry.gitlab.example.com",
    scheme="bearer",
    prefix="group/subgroup/project",
    pusher=Account("gitlab-ci-token", "glcbt-write"),
    reader=Account("gitlab+deploy-token-1", "gldt-read"),
    realm="gitlab.example.com/jwt/auth",
    service="container_registry",
    token_seconds=None,
    missing=Refusal(401, "UNAUTHORIZED", "authentication required"),
    missing_is_absent=False,
    missing_hint="does not exist",
    creates_on_push=False,
    depth=3,
    anonymous=Refusal(403, "DENIED", "access forbidden"),
    anonymous_at_token=True,
    bad_login=Refusal(403, "DENIED", "HTTP Basic: Access denied."),
    push_denied=DOCKER_DENIED,
    requests_to_observe=5,
    sources=(
        "https://docs.gitlab.com/user/packages/container_registry/authenticate_with_container_registry/",
        "https://gitlab.com/gitlab-org/gitlab-foss/-/issues/19867",  # tokens of five minutes
        "https://github.com/gitlabhq/gitlabhq/blob/master/app/services/auth/container_registry_authentication_service.rb",
    ),
)
