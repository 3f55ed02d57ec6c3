"""Which addresses a request, and a credential, may go to (design D12)."""

from __future__ import annotations

import ipaddress
import socket
from functools import lru_cache
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from pipeline_kit.errors import RegistryRefused
from pipeline_kit.named_tuple import NamedTuple
from pipeline_kit.reference import DEFAULT_HOST, HUB_API_HOST

if TYPE_CHECKING:
    from collections.abc import Collection

_PORTS = {"http": 80, "https": 443}


class Origin(NamedTuple):
    """Where a URL leads: a credential belongs to exactly one of these."""

    scheme: str
    host: str
    """Lower case, IPv6 without brackets."""
    port: int


def origin_of(url: str) -> Origin:
    """Return the origin of an http or https URL. Raises RegistryRefused for any other, and for one with credentials."""
    return _parse_origin(url[: _path_start(url)])


def path_of(url: str) -> str:
    """Return the path and the query of an http or https URL, ``""`` where its path is empty."""
    start = _path_start(url)
    return "" if "?" in url[:start] or "#" in url[:start] else url[start:].partition("#")[0]


def _path_start(url: str) -> int:
    """Return where the path begins; nothing before that depends on what comes after."""
    found = url.find("/", len("https://"))
    return len(url) if found < 0 else found


@lru_cache(maxsize=256)
def _parse_origin(url: str) -> Origin:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise RegistryRefused("the registry sent a URL that cannot be read") from error
    if parts.scheme not in _PORTS or not parts.hostname:
        raise RegistryRefused("the registry sent a URL that is neither http nor https")
    if parts.username is not None or parts.password is not None:
        raise RegistryRefused("the registry sent a URL with credentials in it")
    return Origin(parts.scheme, parts.hostname.lower(), port or _PORTS[parts.scheme])


def api_host(host: str) -> str:
    """Return the ``host[:port]`` that serves the API of registry ``host``."""
    return HUB_API_HOST if host == DEFAULT_HOST else host


def base_url(host: str, plain_http: Collection[str]) -> str:
    """Return ``scheme://host[:port]`` of a registry: http only for loopback and for hosts configured as plain."""
    real = api_host(host)
    return f"{'http' if is_plain(real, plain_http) else 'https'}://{real}"


def is_plain(host: str, plain_http: Collection[str]) -> bool:
    """Return whether ``host[:port]`` may be spoken to without TLS."""
    return host in plain_http or is_loopback(host_name(host))


def host_name(host: str) -> str:
    """Return ``host[:port]`` without the port and without IPv6 brackets."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0] if host.count(":") == 1 else host


@lru_cache(maxsize=256)
def is_loopback(name: str) -> bool:
    """Return whether ``name`` is localhost or an address of the loopback network."""
    if name.lower() == "localhost":
        return True
    address = _literal(name)
    return address is not None and address.is_loopback


def is_internal(name: str) -> bool:
    """Return whether ``name`` is localhost or an IP literal that is not globally reachable (link-local, private, …)."""
    if name.lower() == "localhost" or name.lower().endswith(".localhost"):
        return True
    address = _literal(name)
    return address is not None and not address.is_global


def check_target(url: str, *, registry: str, plain_http: Collection[str], what: str) -> Origin:
    """Return the origin of ``url``, to which the registry ``host[:port]`` sends us as its ``what``.

    Raises RegistryRefused for http unless both the registry and the target may be spoken to so, and for internal IP
    literals unless the registry itself is at one: else a registry could make us call the metadata service.
    """
    origin = origin_of(url)
    netloc = f"[{origin.host}]:{origin.port}" if ":" in origin.host else f"{origin.host}:{origin.port}"
    if origin.scheme == "http" and not (
        is_plain(registry, plain_http) and (origin.host == host_name(registry) or is_plain(netloc, plain_http))
    ):
        raise RegistryRefused(f"the registry's {what} leads to {netloc} without TLS")
    if is_internal(origin.host) and not is_internal(host_name(registry)):
        raise RegistryRefused(f"the registry's {what} leads to the internal address {netloc}")
    return origin


def _literal(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Return the address that ``name`` spells, in every form that resolvers take (``127.1``, ``0x7f000001``)."""
    try:
        address = ipaddress.ip_address(name.partition("%")[0])
    except ValueError:
        return _old_literal(name)
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def _old_literal(name: str) -> ipaddress.IPv4Address | None:
    if not name[:1].isdigit():
        return None
    try:
        return ipaddress.IPv4Address(socket.inet_aton(name))
    except (OSError, UnicodeError):
        return None
