"""Vast.ai's account API (protocol.md, "Console"): which endpoints an account has, and their keys."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any
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
from ..journal.log import log
from ..journal.printable import printable
from ..net.lifeline import Lifeline
from ..outbound.call import OutboundRequest, TimeLimits
from ..outbound.failures import CertificateRefused, TransportError
from ..outbound.transport import Transport
from ..outbound.trust import ROOT_PATH

if TYPE_CHECKING:
    from .endpoint import Endpoint

__all__ = ["Console", "find_endpoint"]

_LIMITS = TimeLimits(connect=10.0, first_byte=30.0, idle=30.0)
_LARGEST_ANSWER = 16 * 2**20
_KEY = re.compile(r"[!-~]+")


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
            if parsed.get("success") is False:
                raise ConsoleError(
                    f"The console at {self.url} said that the request failed.", hint="Try again; check --instance."
                )
            rows = parsed["results"]
            if not isinstance(rows, list):
                raise TypeError
            found = [endpoint for number, row in enumerate(rows, 1) if (endpoint := _endpoint(row, number)) is not None]
            if rows and not found:
                raise ValueError
            return found
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
    from difflib import get_close_matches

    names = list(dict.fromkeys(endpoint.name for endpoint in endpoints))
    folded = {known.casefold(): known for known in names}
    near = get_close_matches(name.casefold(), folded, n=1)
    hint = f"Did you mean {folded[near[0]]!r}? " if near else ""
    raise EndpointNotFound(f"Endpoint {name!r} not found.", hint=hint + "Your endpoints: " + ", ".join(map(printable, names)))


def _endpoint(row: Any, number: int) -> Endpoint | None:
    """The endpoint of a row, the ``number``-th. None for one that can't be used, which costs the others nothing."""
    # Here, since dataclasses take a twentieth of a start, and one that is given the endpoint's key asks for no list.
    from dataclasses import replace

    from .endpoint import Endpoint

    try:
        state, key = row.get("endpoint_state"), row.get("api_key")
        endpoint = Endpoint(row["id"], row["endpoint_name"], "" if state is None else state, None if key == "" else key)
        wrong = _what_is_wrong(endpoint)
        if not wrong:
            return replace(endpoint, id=int(endpoint.id))
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError):
        wrong = "it is no endpoint"
    log.debug("Row %d of the console's list of endpoints is passed over: %s.", number, wrong)
    return None


def _what_is_wrong(endpoint: Endpoint) -> str:
    """What makes it unusable; empty where nothing does. Its fields are as JSON had them."""
    if not isinstance(endpoint.name, str) or not endpoint.name.strip():
        return "its name is empty, or no text"
    if not isinstance(endpoint.state, str) or isinstance(endpoint.id, bool):
        return "its state or its number is of another type"
    # A key goes into a header: a line break in it would begin another one.
    if endpoint.api_key is not None and not (isinstance(endpoint.api_key, str) and _KEY.fullmatch(endpoint.api_key)):
        return "its key can't be one"
    return ""


def _path_of(url: str) -> str:
    return "/" + url.split("/", 3)[3] if url.count("/") > 2 else ""
