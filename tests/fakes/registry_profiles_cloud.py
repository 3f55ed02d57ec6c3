"""Registries that are services, as documented or seen; the sources stand with each."""

from __future__ import annotations

from fakes.registry_profile import Account, Login, Profile, Refusal

DOCKER_DENIED = Refusal(401, "UNAUTHORIZED", "authentication required")

DOCKER_HUB = Profile(
    name="Docker Hub",
    host="docker.io",
    api_host="registry-1.docker.io",
    scheme="bearer",
    prefix="library",
    pusher=Account("acme", "dckr_pat_write"),
    reader=Account("guest", "dckr_pat_read"),
    login=Login(key="https://index.docker.io/v1/"),
    realm="auth.docker.io/token",
    service="registry.docker.io",
    missing=DOCKER_DENIED,
    missing_is_absent=False,
    missing_hint="create it",
    anonymous=DOCKER_DENIED,
    push_denied=DOCKER_DENIED,
    immutable=Refusal(403, "DENIED", "tag {tag} is immutable"),
    limited=Refusal(
        429,
        "TOOMANYREQUESTS",
        "You have reached your pull rate limit. You may increase the limit by authenticating and upgrading:"
        " https://www.docker.com/increase-rate-limit",
    ),
    retry_after="epoch",
    extra_headers={"ratelimit-limit": "100;w=21600", "ratelimit-remaining": "76;w=21600"},
    referrers=True,
    requests_to_observe=5,
    sources=(
        "https://docs.docker.com/docker-hub/usage/pulls/",
        "https://github.com/jupyterhub/binderhub/pull/1664",  # 401 for a repository that does not exist
        "https://github.com/docker/hub-feedback/issues/2459",  # Retry-After as Unix time
        "https://github.com/docker/hub-feedback/issues/2466",  # 403 for an immutable tag
        "https://github.com/awslabs/soci-snapshotter/issues/1828",  # referrers API
    ),
)

ECR = Profile(
    name="Amazon ECR",
    host="111122223333.dkr.ecr.eu-west-1.amazonaws.com",
    scheme="basic",
    prefix="shop",
    pusher=Account("AWS", "ecr-write"),
    reader=Account("AWS", "ecr-read"),
    login=Login(helper="ecr-login"),
    missing=Refusal(
        404,
        "NAME_UNKNOWN",
        "The repository with name '{repository}' does not exist in the registry with id '111122223333'",
    ),
    missing_is_absent=False,
    missing_hint="create it: aws ecr create-repository --repository-name",
    creates_on_push=False,
    absent=Refusal(404, "MANIFEST_UNKNOWN", "Requested image not found"),
    anonymous=Refusal(
        401,
        message="Not Authorized\n",
        challenge='Basic realm="https://111122223333.dkr.ecr.eu-west-1.amazonaws.com/",service="ecr.amazonaws.com"',
    ),
    bad_login=Refusal(
        401,
        message="Not Authorized\n",
        challenge='Basic realm="https://111122223333.dkr.ecr.eu-west-1.amazonaws.com/",service="ecr.amazonaws.com"',
    ),
    push_denied=Refusal(
        403,
        "DENIED",
        "User: arn:aws:sts::111122223333:assumed-role/reader/ci is not authorized to perform: ecr:PutImage on resource:"
        " arn:aws:ecr:eu-west-1:111122223333:repository/{repository}",
    ),
    expired=Refusal(403, "DENIED", "Your authorization token has expired. Reauthenticate and try again."),
    immutable=Refusal(
        400,
        "TAG_INVALID",
        "The image tag '{tag}' already exists in the '{repository}' repository and cannot be overwritten because the"
        " repository is immutable.",
    ),
    limited=Refusal(429, "TOOMANYREQUESTS", "Rate exceeded"),
    mounts=False,
    patched=201,
    referrers=True,
    requests_to_observe=3,
    sources=(
        "https://docs.aws.amazon.com/AmazonECR/latest/userguide/registry_auth.html",
        "https://github.com/moby/buildkit/issues/3776",  # immutable tags
        "https://github.com/flipt-io/flipt/issues/3043",  # 403 without a challenge for an expired token
        "https://github.com/enix/kube-image-keeper/issues/172",  # 401 "Not Authorized"
        "https://github.com/aws/containers-roadmap/issues/2860",  # 202 to a mount
        "https://github.com/aws/containers-roadmap/issues/2831",  # 201 to a PATCH
    ),
)

ECR_PUBLIC = Profile(
    name="Amazon ECR Public",
    host="public.ecr.aws",
    scheme="bearer",
    prefix="acme",
    pusher=Account("AWS", "ecr-public-write"),
    reader=Account("AWS", "ecr-public-read"),
    login=Login(helper="ecr-login"),
    realm="public.ecr.aws/token/",
    service="public.ecr.aws",
    token_seconds=None,
    missing=Refusal(
        404, "NAME_UNKNOWN", "The repository with name '{repository}' does not exist in the registry with id 'acme'"
    ),
    missing_is_absent=False,
    missing_hint="create it: aws ecr-public create-repository --region us-east-1 --repository-name",
    creates_on_push=False,
    anonymous=Refusal(403, "DENIED", "Not Authorized"),
    push_denied=Refusal(403, "DENIED", "Not Authorized"),
    bad_login=Refusal(400, "DENIED", "Your Authorization Token is invalid."),
    expired=Refusal(400, "DENIED", "Your Authorization Token is invalid."),
    basic_elsewhere=Refusal(400, "DENIED", "Your Authorization Token is invalid."),
    limited=Refusal(429, "TOOMANYREQUESTS", "Rate exceeded"),
    mounts=False,
    requests_to_observe=5,
    sources=(
        "https://github.com/oras-project/oras-go/issues/1227",  # 400 for an expired token
        "https://github.com/dependabot/proxy/issues/157",  # 400 for Basic
        "https://github.com/kreuzwerker/terraform-provider-docker/pull/666",
        "https://github.com/aws/containers-roadmap/issues/1459",  # mounts
    ),
)

ARTIFACT_REGISTRY = Profile(
    name="Google Artifact Registry",
    host="europe-west1-docker.pkg.dev",
    scheme="bearer",
    prefix="acme-project/images",
    pusher=Account("oauth2accesstoken", "ya29.write"),
    reader=Account("oauth2accesstoken", "ya29.read"),
    login=Login(helper="gcloud"),
    realm="europe-west1-docker.pkg.dev/v2/token",
    service="europe-west1-docker.pkg.dev",
    missing=Refusal(404, "NAME_UNKNOWN", 'Repository "gone" not found'),
    missing_is_absent=False,
    missing_hint="gcloud artifacts repositories create",
    creates_on_push=False,
    depth=2,
    absent=Refusal(404, "MANIFEST_UNKNOWN", 'Failed to fetch "{tag}"'),
    anonymous=Refusal(
        403,
        "DENIED",
        'Unauthenticated request. Unauthenticated requests do not have permission "artifactregistry.repositories.'
        'downloadArtifacts" on resource "projects/acme-project/locations/europe-west1/repositories/images" (or it'
        " may not exist)",
    ),
    anonymous_at_token=True,
    push_denied=Refusal(
        403,
        "DENIED",
        'Permission "artifactregistry.repositories.uploadArtifacts" denied on resource "projects/acme-project/'
        'locations/europe-west1/repositories/images" (or it may not exist)',
    ),
    immutable=Refusal(400, "MANIFEST_INVALID", "cannot update tag {tag}. The repository has enabled tag immutability"),
    limited=Refusal(429, "TOOMANYREQUESTS", "Quota exceeded for quota metric 'Requests per project per region'"),
    referrers=True,
    requests_to_observe=5,
    sources=(
        "https://docs.cloud.google.com/artifact-registry/docs/docker/authentication",
        "https://github.com/argoproj/argo-cd/issues/26260",  # 403 at the token server
        "https://github.com/GoogleCloudPlatform/developer-journey-app/issues/117",  # NAME_UNKNOWN
        "https://github.com/grafana/tempo/pull/7428",  # immutable tags
    ),
)

AZURE = Profile(
    name="Azure Container Registry",
    host="acme.azurecr.io",
    scheme="bearer",
    prefix="shop",
    pusher=Account("00000000-0000-0000-0000-000000000000", identity_token="acr-refresh-write"),
    reader=Account("00000000-0000-0000-0000-000000000000", identity_token="acr-refresh-read"),
    realm="acme.azurecr.io/oauth2/token",
    service="acme.azurecr.io",
    token_key="access_token",
    token_seconds=None,
    anonymous=Refusal(401, "UNAUTHORIZED", "authentication required, visit https://aka.ms/acr/authorization"),
    anonymous_at_token=True,
    push_denied=Refusal(401, "UNAUTHORIZED", "authentication required, visit https://aka.ms/acr/authorization"),
    immutable=Refusal(
        405,
        "REGISTRY_DISALLOWED_OPERATION",
        "The operation is disallowed on this registry, repository or image. View troubleshooting steps at"
        " https://aka.ms/acr/faq/#why-does-my-pull-or-push-request-fail-with-disallowed-operation",
    ),
    retry_after="seconds",
    referrers=True,
    requests_to_observe=5,
    sources=(
        "https://azure.github.io/acr/AAD-OAuth.html",
        "https://github.com/Azure/azure-sdk-for-net/issues/22827",  # 405 for what is locked
        "https://github.com/Azure/acr-cli/issues/70",
    ),
)

GHCR = Profile(
    name="GitHub Container Registry",
    host="ghcr.io",
    scheme="bearer",
    prefix="acme",
    pusher=Account("octocat", "ghs_write"),
    reader=Account("octocat", "ghs_read"),
    realm="ghcr.io/token",
    service="ghcr.io",
    token_seconds=None,
    missing=Refusal(403, "DENIED", "requested access to the resource is denied"),
    missing_at_token=True,
    missing_is_absent=False,
    missing_hint="packages: write",
    anonymous=Refusal(403, "DENIED", "requested access to the resource is denied"),
    anonymous_at_token=True,
    bad_login=Refusal(403, "DENIED", "denied"),
    push_denied=Refusal(403, "DENIED", "permission_denied: write_package"),
    deletes=Refusal(405, "UNSUPPORTED", "The operation is unsupported."),
    limited=Refusal(429, "TOOMANYREQUESTS", "retry-after: 1ms, allowed: 44000/minute"),
    retry_after="date",
    requests_to_observe=5,
    sources=(
        "https://docs.github.com/en/packages/working-with-a-github-packages-registry/working-with-the-container-registry",
        "https://github.com/package-operator/package-operator/issues/700",  # 403 at the token server
        "https://github.com/Snowfork/snowbridge/pull/1272",  # write_package
        "https://github.com/actions/attest-build-provenance/issues/71",  # no referrers API
        "https://github.com/radius-project/radius/pull/12623",  # 405 to DELETE
    ),
)
