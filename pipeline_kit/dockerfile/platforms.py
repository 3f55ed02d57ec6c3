"""The values that a platform gives to ``TARGETPLATFORM`` and its parts, normalised as containerd does."""

from __future__ import annotations

_ARCHITECTURES = {"x86_64": "amd64", "x86-64": "amd64", "aarch64": "arm64", "i386": "386"}
_ARM_ALIASES = {"armhf": "v7", "armel": "v6"}
_DEFAULT_VARIANTS = {"amd64": {"v1"}, "arm64": {"8", "v8"}, "386": {""}}
_PARTS = ("TARGETPLATFORM", "TARGETOS", "TARGETARCH", "TARGETVARIANT")
# The last two are set by newer builders only.
BUILDER_NAMES = (
    "BUILDPLATFORM",
    "BUILDOS",
    "BUILDOSVERSION",
    "BUILDARCH",
    "BUILDVARIANT",
    "TARGETOSVERSION",
    "TARGETSTAGE",
)


def platform_values(platform: str | None) -> dict[str, str | None]:
    """Return the automatic build arguments for ``platform`` (``os/arch[/variant]`` or ``arch``).

    ``None`` values cannot be known here: what only the builder knows, and ``TARGET…`` when no platform is given.
    """
    values: dict[str, str | None] = dict.fromkeys((*BUILDER_NAMES, *_PARTS))
    if platform is None:
        return values
    head, *rest = platform.lower().split("/")
    system, parts = (head, rest) if rest else ("linux", [head])
    architecture, variant = _normalise(parts[0], parts[1] if len(parts) > 1 else "")
    system = "darwin" if system == "macos" else system
    whole = "/".join(part for part in (system, architecture, variant) if part)
    return values | dict(zip(_PARTS, (whole, system, architecture, variant), strict=True))


def _normalise(architecture: str, variant: str) -> tuple[str, str]:
    if architecture in _ARM_ALIASES:
        return "arm", _ARM_ALIASES[architecture]
    architecture = _ARCHITECTURES.get(architecture, architecture)
    if architecture == "arm":
        return "arm", f"v{variant.removeprefix('v') or '7'}"
    return architecture, "" if variant in _DEFAULT_VARIANTS.get(architecture, set()) else variant
