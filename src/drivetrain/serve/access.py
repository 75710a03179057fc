"""Who may call: API keys, client certificates, Host and Origin, and how often.

A key is 256 random bits, of which the settings keep the SHA-256 alone. There is nothing to guess, so a slow hash would only
slow the server down; digests are compared in constant time.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import secrets
import socket
import time
from collections import OrderedDict
from collections.abc import Mapping
from functools import lru_cache
from urllib.parse import urlsplit

from drivetrain.serve.settings import Settings
from drivetrain.serve.types import Caller, Refusal, Right

CALLERS = 10_000
"""How many callers' rates are remembered; whoever was quiet for longest is forgotten first."""

WIDER = "Ask whoever runs this server for a key that may."
_NOBODY: frozenset[str] = frozenset({"open"})
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_CORS = {
    "Access-Control-Allow-Methods": "GET, HEAD, POST",
    "Access-Control-Allow-Headers": "authorization, content-type, content-encoding, inference-header-content-length, x-api-key, "
    "x-priority, x-record-key, x-record-keys, x-request-id, x-sticky-key, x-timeout-ms",
    "Access-Control-Max-Age": "600",
}
_SHOWN = "inference-header-content-length, retry-after, x-record-ids, x-request-id"


def new_key() -> tuple[str, str]:
    """A key to hand out, and its SHA-256 for `serve.toml`. The key can't be had again from what is kept."""
    key = "dt_" + secrets.token_urlsafe(32)
    return key, digest(key)


def digest(key: str) -> str:
    return hashlib.sha256(key.encode("utf-8", "replace")).hexdigest()


class Gate:
    """What stands between the network and the models, of one process."""

    def __init__(self, settings: Settings) -> None:
        access = settings.access
        self._admin = access.admin
        self._keys = {
            key.sha256.lower(): Caller(
                key.name,
                "",
                frozenset({*key.rights, "open"}),
                None if key.models is None else frozenset(key.models),
            )
            for key in access.keys
        }
        self._hosts = {_host_name(host) for host in access.hosts} or _names_of_this_machine(settings.host)
        self._named_hosts = bool(access.hosts)
        self._origins = frozenset(origin.rstrip("/").lower() for origin in access.origins)
        self._known_hosts: dict[str, bool] = {}
        self._rate = settings.limits.requests_per_second
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    # Keys and rights

    def caller(self, headers: Mapping[str, str], address: str, certificate: str = "") -> Caller:
        """Who asks, by `Authorization: Bearer KEY`, `X-API-Key`, or the name in a client's certificate, which the TLS layer has
        checked. Raises Refusal 401 where there are keys and this isn't one; without keys nobody looks at what comes."""
        if not self._keys:
            return _caller(certificate, address)
        given = headers.get("authorization", "")
        scheme, _, key = given.partition(" ")
        if given and scheme.lower() != "bearer":
            raise _who("this server takes keys as: Authorization: Bearer KEY")
        key = key.strip() or headers.get("x-api-key", "")
        if not key:
            return Caller(certificate, address, _NOBODY)
        hashed = digest(key)
        known = None
        for kept, caller in self._keys.items():
            if hmac.compare_digest(kept, hashed):
                known = caller
        if known is None:
            raise _who("this key isn't known here")
        return _caller(known.name, address, known.rights, known.models)

    def may(self, caller: Caller, right: Right, model: str | None) -> None:
        """Raise Refusal 401 or 403 where a caller hasn't a right, or hasn't it for this model."""
        if right == "admin" and not (self._admin and self._keys):
            raise Refusal(
                403,
                "this server can't be changed over the network",
                fix='[access] admin = true in serve.toml allows it, to keys that have the right "admin".',
            )
        if right in caller.rights and (right != "admin" or caller.name):
            if model is None or right == "open" or caller.sees(model):
                return
            raise Refusal(403, "this key may not use this model", fix=WIDER)
        if self._keys and caller.rights == _NOBODY:
            raise _who("a key is needed here")
        raise Refusal(403, f'this key hasn\'t the right "{right}"', fix=WIDER)

    # How often

    def rate(self, caller: Caller) -> None:
        """Take one request out of a caller's bucket, which fills with `requests_per_second` and holds twice as many. Raises
        Refusal 429 where it is empty."""
        if not self._rate:
            return
        name = f"key {caller.name}" if caller.name else network(caller.address)
        now = time.monotonic()
        most = max(2 * self._rate, 1.0)
        left, since = self._buckets.pop(name, (most, now))
        left = min(most, left + (now - since) * self._rate)
        self._buckets[name] = (left - 1 if left >= 1 else left, now)
        if len(self._buckets) > CALLERS:
            self._buckets.popitem(last=False)
        if left < 1:
            seconds = max(1, round((1 - left) / self._rate + 0.5))
            raise Refusal(
                429,
                f"more than {self._rate:g} requests per second",
                fix="Ask again later.",
                headers={"Retry-After": str(seconds)},
            )

    # Browsers

    def host(self, given: str) -> None:
        """Raise Refusal 421 for a Host header that isn't this server's: a page whose name was pointed at this machine (DNS
        rebinding) would send its own. An address can't be pointed elsewhere, so where no hosts are listed each address is fine."""
        good = self._known_hosts.get(given)
        if good is None:
            good = self._is_host(given)
            if len(self._known_hosts) < 1000:
                self._known_hosts[given] = good
        if not good:
            raise Refusal(
                421,
                "this server doesn't answer to the name in the request's Host header",
                fix="List it in serve.toml: [access] hosts.",
            )

    def _is_host(self, given: str) -> bool:
        name = _host_name(given)
        if not name:
            return False
        if name in self._hosts or "*" in self._hosts:
            return True
        if any(known.startswith("*.") and name.endswith(known[1:]) for known in self._hosts):
            return True
        return not self._named_hosts and _is_address(name)

    def origin(self, method: str, headers: Mapping[str, str]) -> dict[str, str]:
        """The headers by which a browser lets a page of another origin read the answer; none for the server's own pages and for
        programs. Raises Refusal 403 for pages of other origins that aren't listed: they can neither read nor set anything going.

        A browser names the page's origin in each request that could change something, and newer ones say `Sec-Fetch-Site` as well
        (https://www.w3.org/TR/fetch-metadata/); a page can forge neither."""
        origin = headers.get("origin")
        if origin is None:
            if method in _SAFE or headers.get("sec-fetch-site", "none") in ("none", "same-origin"):
                return {}
        else:
            plain = origin.lower()
            if plain in self._origins or "*" in self._origins:
                shown = {"Access-Control-Allow-Origin": origin, "Vary": "Origin"}
                if method == "OPTIONS" and "access-control-request-method" in headers:
                    return shown | _CORS
                return shown | {"Access-Control-Expose-Headers": _SHOWN}
            # The scheme isn't compared: behind a proxy that speaks TLS it is another than ours.
            if _authority(plain) == headers.get("host", "").lower():
                return {}
        raise Refusal(
            403,
            "pages of other origins may not call this server",
            fix="List the origin in serve.toml: [access] origins.",
        )


_caller = lru_cache(CALLERS)(Caller)  # To make one takes longer than to look one up.


def _who(error: str) -> Refusal:
    return Refusal(
        401,
        error,
        fix="Ask whoever runs this server for a key.",
        headers={"WWW-Authenticate": 'Bearer realm="drivetrain"'},
    )


def network(address: str) -> str:
    """What is counted as one caller: an IPv4 address, or the half of an IPv6 address that a provider gives to one customer."""
    if ":" not in address:
        return address
    try:
        whole = ipaddress.IPv6Address(address.partition("%")[0])
    except ValueError:
        return address
    return str(whole.ipv4_mapped or ipaddress.IPv6Network((int(whole), 64), strict=False))


def _host_name(given: str) -> str:
    """The name in a Host header, without port, in lower case; "" for what can't be one."""
    given = given.strip().lower()
    if given.startswith("["):
        name, bracket, port = given[1:].partition("]")
        port = port.removeprefix(":") if port.startswith(":") or not port else "x"
        if not bracket:
            return ""
    else:
        name, _, port = given.partition(":")
        name = name.removesuffix(".") if not _is_address(name) else name
    if port and not (port.isascii() and port.isdigit()):
        return ""
    if not name or not all(sign.isascii() and (sign.isalnum() or sign in "-._:*") for sign in name):
        return ""
    return name


def _authority(origin: str) -> str:
    """ "host:port" of an origin, as a browser writes it in the Host header."""
    try:
        parts = urlsplit(origin)
    except ValueError:
        return ""
    return (
        parts.netloc
        if parts.scheme in ("http", "https") and not parts.path and "@" not in parts.netloc
        else ""
    )


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _names_of_this_machine(host: str) -> set[str]:
    own = socket.gethostname().lower()
    return {"localhost", own, own.partition(".")[0], host.lower()} - {""}
