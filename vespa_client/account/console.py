"""Vast.ai's account API (protocol.md, "Console"): which endpoints an account has, and their keys."""

from __future__ import annotations

import difflib
import json
import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from ..errors import (
    AuthenticationError,
    ConsoleBusy,
    ConsoleError,
    EndpointNotFound,
    NetworkError,
    NoEndpoints,
    TwoFactorRequired,
    VespaError,
)
from ..journal.printable import printable
from ..net.lifeline import Lifeline
from ..outbound.call import OutboundRequest, TimeLimits
from ..outbound.failures import CertificateRefused, TransportError
from ..outbound.transport import Transport
from ..outbound.trust import ROOT_PATH

__all__ = ["Console", "Endpoint", "find_endpoint"]

_LIMITS = TimeLimits(connect=10.0, first_byte=30.0, idle=30.0)
_LARGEST_ANSWER = 16 * 2**20


@dataclass(frozen=True)
class Endpoint:
    """A serverless endpoint of an account. ``api_key`` is the endpoint's own key; ``state`` a word such as ``active``."""

    id: int
    name: str
    state: str
    api_key: str | None = field(repr=False)


class Console:
    """One installation's console."""

    def __init__(self, url: str, instance: str, transport: Transport) -> None:
        """``instance`` is ``prod``, ``alpha`` or ``candidate``: which autoscaler's endpoints are asked for."""
        self.url = url
        self._instance = instance
        self._transport = transport

    def endpoints(self, account_key: str, lifeline: Lifeline | None = None) -> list[Endpoint]:
        """The account's endpoints, in the console's order.

        Raises one of the errors of this module's imports, and :class:`ClientGone` when the lifeline is cut.
        """
        status, body = self._get(
            f"/api/v0/endptjobs/?autoscaler_instance={quote(self._instance)}",
            [("Authorization", f"Bearer {account_key}"), ("Accept", "application/json")],
            lifeline,
        )
        if status != 200:
            raise self._refusal(status, body)
        try:
            parsed = json.loads(body)
            rows = parsed["results"]
            if parsed.get("success") is False:
                raise ConsoleError(
                    f"The console at {self.url} said that the request failed.", hint="Try again; check --instance."
                )
            return [_endpoint(row) for row in rows]
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            raise ConsoleError(
                f"The console at {self.url} answered with something that is no list of endpoints.",
                hint="Check --console-url and --instance; a log-in page of the network you are in can do this too.",
            ) from None

    def root_certificate(self, lifeline: Lifeline) -> bytes:
        """The root that signs workers' certificates, PEM or DER. Errors as in :meth:`endpoints`."""
        status, body = self._get(ROOT_PATH, [], lifeline)
        if status != 200:
            raise ConsoleError(f"the console at {self.url} answered {status} to {ROOT_PATH}")
        return body

    def _get(self, target: str, fields: list[tuple[str, str]], lifeline: Lifeline | None = None) -> tuple[int, bytes]:
        """The answer's status and body."""
        request = OutboundRequest("GET", self.url, _path_of(self.url) + target, fields)
        try:
            answer = self._transport.ask(request, _LIMITS, lifeline or Lifeline())
            return answer.status_code, answer.read(_LARGEST_ANSWER, _LIMITS.first_byte)
        except CertificateRefused as problem:
            raise NetworkError(
                f"The console at {self.url} can't be trusted: {problem}.",
                hint="If your company inspects TLS, give its root with --ca-file PATH.",
            ) from problem
        except TransportError as problem:
            raise NetworkError(
                f"The console at {self.url} can't be reached: {problem}.",
                hint="Check the network, --console-url, and HTTPS_PROXY if you are behind a proxy.",
            ) from problem

    def _refusal(self, status: int, body: bytes) -> VespaError:
        text = body[:2000].decode("utf-8", "replace")
        if status in (401, 403):
            if "two factor" in text.lower() or "two-factor" in text.lower() or "2fa" in text.lower():
                return TwoFactorRequired(f"The console at {self.url} asks for two-factor authentication.")
            refused = f"It was the console ({self.url}) that refused the account key"
            if status == 401:
                return AuthenticationError("401 Unauthorized", hint=f"{AuthenticationError.hint}\n  - {refused}")
            return AuthenticationError("403 Forbidden", hint=f"{refused}: it may lack the right to read endpoints.")
        if status == 429:
            return ConsoleBusy(f"The console at {self.url} answered 429: too many requests.")
        return ConsoleError(
            f"The console at {self.url} answered {status}.", hint="It may be in trouble; try again in a minute."
        )


def find_endpoint(endpoints: list[Endpoint], name: str) -> Endpoint:
    """The endpoint of that name; where the name stands twice an active one, or else one that isn't stopped.

    Raises :class:`NoEndpoints`, or :class:`EndpointNotFound` with the names there are and the nearest one.
    """
    matches = [endpoint for endpoint in endpoints if endpoint.name == name]
    if matches:
        return min(matches, key=lambda endpoint: (endpoint.state != "active", endpoint.state == "stopped"))
    if not endpoints:
        raise NoEndpoints("No endpoints found on this account.")
    names = list(dict.fromkeys(endpoint.name for endpoint in endpoints))
    folded = {known.casefold(): known for known in names}
    near = difflib.get_close_matches(name.casefold(), folded, n=1)
    hint = f"Did you mean {folded[near[0]]!r}? " if near else ""
    raise EndpointNotFound(f"Endpoint {name!r} not found.", hint=hint + "Your endpoints: " + ", ".join(map(printable, names)))


def _endpoint(row: Any) -> Endpoint:
    """Raises ValueError, KeyError, TypeError, AttributeError for what is no endpoint."""
    name, key = row["endpoint_name"], row.get("api_key") or None
    # A key goes into a header: a line break in it would begin another one.
    if not isinstance(name, str) or not (key is None or re.fullmatch(r"[!-~]+", key)):
        raise ValueError
    return Endpoint(int(row["id"]), name, str(row.get("endpoint_state") or ""), key)


def _path_of(url: str) -> str:
    return "/" + url.split("/", 3)[3] if url.count("/") > 2 else ""
