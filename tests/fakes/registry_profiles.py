"""Every registry of the field, in the order of docs/registries.md."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from fakes.registry_profiles_cloud import ARTIFACT_REGISTRY, AZURE, DOCKER_HUB, ECR, ECR_PUBLIC, GHCR
from fakes.registry_profiles_own import GITLAB, HARBOR, HTPASSWD, OPEN, QUAY, TOKEN

if TYPE_CHECKING:
    from fakes.registry_profile import Profile

PROFILES = (
    OPEN,
    HTPASSWD,
    TOKEN,
    DOCKER_HUB,
    ECR,
    ECR_PUBLIC,
    ARTIFACT_REGISTRY,
    AZURE,
    HARBOR,
    QUAY,
    GHCR,
    GITLAB,
)
NAMES = {profile.name: profile for profile in PROFILES}


def only(*profiles: Profile) -> pytest.MarkDecorator:
    """Run a test before these registries alone."""
    return pytest.mark.parametrize("scene", [profile.name for profile in profiles], indirect=True)


def having(member: str) -> pytest.MarkDecorator:
    """Run a test before the registries whose profile has ``member``."""
    return only(*(profile for profile in PROFILES if getattr(profile, member)))


WITH_LOGIN = having("has_login")
WITH_READER = only(*(profile for profile in PROFILES if profile.reader.user))
WITH_FRONT = only(*(profile for profile in PROFILES if profile.scheme in ("basic", "bearer")))
WITH_TOKENS = only(*(profile for profile in PROFILES if profile.scheme == "bearer"))
