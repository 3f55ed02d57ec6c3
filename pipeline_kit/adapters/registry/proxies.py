"""Which proxy a request goes through, from the environment as curl and Go read it."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from pipeline_kit.adapters.registry.addresses import is_loopback

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipeline_kit.adapters.registry.addresses import Origin


def proxy_for(origin: Origin, environment: Mapping[str, str]) -> str | None:
    """Return the proxy's URL for ``origin``, or ``None`` for a direct connection.

    Reads ``https_proxy``/``http_proxy``, then ``all_proxy``, in lower and upper case, and ``no_proxy``. Loopback is
    never proxied. ``HTTP_PROXY`` in upper case is ignored under CGI, where a request header could set it.
    """
    if is_loopback(origin.host):
        return None
    proxy = _lookup(f"{origin.scheme}_proxy", environment) or _lookup("all_proxy", environment)
    if not proxy or _is_excluded(origin, _lookup("no_proxy", environment)):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"


def _lookup(name: str, environment: Mapping[str, str]) -> str:
    if name in environment:
        return environment[name]
    is_cgi = name == "http_proxy" and "REQUEST_METHOD" in environment
    return "" if is_cgi else environment.get(name.upper(), "")


def _is_excluded(origin: Origin, no_proxy: str) -> bool:
    return any(_matches(entry.strip().lower(), origin) for entry in no_proxy.split(",") if entry.strip())


def _matches(entry: str, origin: Origin) -> bool:
    if entry == "*":
        return True
    if "/" in entry:
        return _in_network(entry, origin.host)
    name, colon, port = entry.rpartition(":")
    if colon and port.isdigit() and name.count(":") == 0:
        return int(port) == origin.port and _matches(name, origin)
    suffix = entry.removeprefix("*").lstrip(".").strip("[]")
    return bool(suffix) and (origin.host == suffix or origin.host.endswith(f".{suffix}"))


def _in_network(entry: str, host: str) -> bool:
    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(entry, strict=False)
    except ValueError:
        return False
