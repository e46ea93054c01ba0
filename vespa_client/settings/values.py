"""The texts of settings, turned into their values. Each raises ValueError, whose text says what is taken."""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "cost",
    "count",
    "header_name",
    "host",
    "host_name",
    "key",
    "model",
    "origin",
    "path",
    "port",
    "seconds",
    "size",
    "switch",
    "text",
    "time_limit",
    "url",
    "url_like",
    "vast_key",
    "without_quotes",
]

# 11 days. What systems take for a time limit ends at 24 (2^31 milliseconds).
_LONGEST = 1_000_000.0
_UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30}
# Which a browser leaves out (RFC 6454, 6.2).
_DEFAULT_PORTS = {"http": ":80", "https": ":443"}


def text(value: str) -> str:
    """Any text but an empty one."""
    if not value.strip():
        raise ValueError("it is empty")
    return value


def key(value: str) -> str:
    """A key: one word of printable ASCII."""
    value = value.strip()
    if not value:
        raise ValueError("it is empty")
    if not re.fullmatch(r"[!-~]+", value):
        raise ValueError("a key is one word of plain ASCII letters, digits and signs (was something else pasted along?)")
    return value


def vast_key(value: str) -> str:
    """A key of Vast.ai's, as :func:`key` takes it, without the quotes that cmd.exe and Docker's env files leave on."""
    return key(without_quotes(value.strip()))


def without_quotes(value: str) -> str:
    """The word inside a pair of quotes that is all around it."""
    is_quoted = len(value) > 2 and value[0] == value[-1] and value[0] in "\"'"
    return value[1:-1] if is_quoted else value


def port(value: str) -> int:
    """A port, or 0 for any free one."""
    if not re.fullmatch(r"[0-9]{1,5}", value) or int(value) > 65535:
        raise ValueError("a port is a number from 0 to 65535 (0 takes any free one)")
    return int(value)


def seconds(value: str) -> float:
    """Seconds, 0 or more."""
    try:
        number = float(value)
    except ValueError:
        number = -1.0
    if not (0 <= number <= _LONGEST):
        raise ValueError(f"it takes a number of seconds, from 0 to {_LONGEST:.0f}")
    return number


def time_limit(value: str) -> float:
    """Seconds, more than 0."""
    limit = seconds(value)
    if not limit:
        raise ValueError(f"0 would leave no time at all; where there should be no limit, take {_LONGEST:.0f}")
    return limit


def cost(value: str) -> str:
    """A workload, as the text of a JSON number, or ``auto``."""
    if value == "auto":
        return value
    if not re.fullmatch(r"(?:0|[1-9][0-9]{0,17})(?:\.[0-9]{1,18})?", value):
        raise ValueError("it takes a number, 0 or more, or 'auto'")
    return value


def model(value: str) -> str:
    """A model's name, with ``:TOKENS`` behind it for what its context holds."""
    name, _, context = value.rpartition(":")
    if not value.strip() or not value.isprintable() or (context.isdigit() and not name.strip()):
        raise ValueError("it takes a model's name, such as llama-3, with its context's tokens if you like: llama-3:131072")
    return value


def path(value: str) -> str:
    """A path of a URL."""
    if not re.fullmatch(r"/[!-~]*", value) or "?" in value or "#" in value:
        raise ValueError("it takes a path, such as /v1/files, without a query")
    return value


def count(value: str) -> int:
    """A whole number, 0 or more."""
    if not re.fullmatch(r"[0-9]{1,9}", value):
        raise ValueError("it takes a whole number, 0 or more")
    return int(value)


def size(value: str) -> int:
    """Bytes, with K, M and G for their powers of 1024."""
    match = re.fullmatch(r"([0-9]{1,12})([KMG]?)(?:i?B)?", value, re.IGNORECASE)
    if not match:
        raise ValueError("it takes a number of bytes, such as 1073741824, 512M or 1G")
    return int(match[1]) * _UNITS[match[2].upper()]


def url_like(example: str) -> Callable[[str], str]:
    """:func:`url`, with an example of what is meant."""
    return lambda value: url(value, example)


def url(value: str, example: str = "https://run.vast.ai") -> str:
    """An http or https address, without a slash at the end."""
    from urllib.parse import urlsplit

    try:
        parts = urlsplit(value)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        valid = False
    if not valid or parts.query or parts.fragment or "@" in parts.netloc or not re.fullmatch(r"[!-~]+", value):
        raise ValueError(f"it takes an address such as {example}, without a log-in, a query or spaces")
    return value.rstrip("/")


def header_name(value: str) -> str:
    """A header's name (RFC 9110, 5.1)."""
    if not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", value):
        raise ValueError("it takes the name of a header, such as X-Api-Key")
    return value


def host_name(value: str) -> str:
    """A host's name or address, without a port."""
    if not re.fullmatch(r"[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]|[0-9A-Fa-f.]*:[0-9A-Fa-f.]*:[0-9A-Fa-f:.]*", value):
        raise ValueError("it takes a host's name alone, without a port, such as host.docker.internal")
    return value


def host(value: str) -> str:
    """A host's name or address, alone or with a port. An IPv6 address has brackets where a port follows."""
    name, colon, number = value.rpartition(":")
    try:
        if colon and (name.endswith("]") or ":" not in name) and port(number):
            return f"{host_name(name)}:{number}"
        return host_name(value)
    except ValueError:
        raise ValueError("it takes a host's name, such as files.example.com, or with a port, files.example.com:8443") from None


def origin(value: str) -> str:
    """A web page's origin, ``*`` in it for any part of a label, without the port that a browser leaves out."""
    found = value.rstrip("/")
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]*://[A-Za-z0-9*._:\[\]-]*", found):
        raise ValueError("it takes an origin, such as https://app.example.com or http://*.example.com:3000")
    return found.removesuffix(_DEFAULT_PORTS.get(found.partition(":")[0].lower(), ""))


def switch(value: str) -> bool:
    """Whether a switch is on."""
    return value.lower() not in ("", "0", "no", "off", "false")
