"""Who serves this request: the autoscaler's assignment, waited for while no worker is ready (protocol.md, "Autoscaler")."""

from __future__ import annotations

import ipaddress
import json
import random
import re
import time
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from ..account.endpoint_key import EndpointKey
from ..account.endpoint_state import EndpointState
from ..errors import AutoscalerError, EndpointNotFound, NetworkError, NoWorkerReady
from ..journal.log import log
from ..journal.printable import printable
from ..journal.record import Record
from ..net.lifeline import Lifeline
from ..outbound.call import OutboundRequest, TimeLimits
from ..outbound.failures import CertificateRefused, TransportError
from ..outbound.transport import Transport
from ..payload.envelope import AUTH_FIELDS, JSONNumber, json_text
from .cold_start import ColdStart
from .reach import Reach

__all__ = ["Assignment", "Autoscaler", "Place"]

# The official SDK gives one /route/ call 10 s too.
_LIMITS = TimeLimits(connect=10.0, first_byte=10.0, idle=10.0)
_LARGEST_ANSWER = 2**20
# Between two questions while there is no worker.
_FIRST_POLL_PAUSE = 0.5
_LONGEST_POLL_PAUSE = 5.0
_RETRY_AFTER = 10


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


# What JSON has inside one another.
_NESTED = frozenset({dict, list})
# json.loads() makes a new one for each call with such arguments.
_DECODER = json.JSONDecoder(parse_int=JSONNumber, parse_float=JSONNumber, parse_constant=_refuse_constant)
_WORKER_URL = re.compile(r"https?://(?:[A-Za-z0-9._-]+|\[(?P<ipv6>[0-9A-Fa-f:.]+)\])(?::[0-9]{1,5})?/?", re.IGNORECASE)


class Assignment(NamedTuple):
    """The autoscaler's ready answer. ``auth`` is what the worker wants to see of it, numbers in their JSON text."""

    url: str
    auth: Mapping[str, Any]

    def __repr__(self) -> str:
        return f"Assignment(url={self.url!r})"


class Place:
    """One request's place in the autoscaler's queue: kept from question to question, its load is counted once."""

    __slots__ = ("cost", "is_waiting", "request_idx")

    def __init__(self, cost: str) -> None:
        """``cost`` is a JSON number's text."""
        self.cost = cost
        self.request_idx: Any = None
        """The place, as JSON gave it; None before the first answer."""
        self.is_waiting = False
        """Whether there was no worker for it when it asked."""


class _NotReady(NamedTuple):
    """No assignment this time. ``said`` is why, for people; ``remedy`` what helps with a failure, empty for a cold endpoint."""

    said: str
    remedy: str = ""


_IN_TROUBLE = "Vast.ai's autoscaler may be in trouble; try again in a minute."
_OUT_OF_REACH = (
    "Check the network, --autoscaler-url, and HTTPS_PROXY if you are behind a proxy; or Vast.ai's autoscaler is in trouble."
)
_SOMEBODY_ELSE = "Check --autoscaler-url; a log-in page of the network you are in can do this too."
_KEY_REFUSED = "A new endpoint's key may take a minute; if this goes on, check --instance and --autoscaler-url."


class Autoscaler:
    """One endpoint's way to its workers. Safe to share between threads."""

    def __init__(self, url: str, endpoint_name: str, key: EndpointKey, state: EndpointState, transport: Transport) -> None:
        self.url = url
        self._target = urlsplit(url).path + "/route/"
        self.endpoint_name = endpoint_name
        self._question = f'{{"endpoint": {json.dumps(endpoint_name)}, "cost": '
        self.key = key
        self.state = state
        self._transport = transport
        self._cold_start = ColdStart()
        self.reach = Reach()

    def connect(self, lifeline: Lifeline) -> None:
        """Have a connection ready for the first request. Raises :class:`TransportError`, and :class:`ClientGone`."""
        try:
            self._transport.connect(self.url, _LIMITS, lifeline)
        except TransportError as problem:
            self.reach.failed(str(problem))
            raise
        self.reach.succeeded()

    def assign(self, place: Place, record: Record, deadline: float, lifeline: Lifeline) -> Assignment:
        """A worker for the request, waited for until ``deadline`` (of :func:`time.monotonic`).

        Raises :class:`NoWorkerReady` when the time is over, :class:`AutoscalerError`, :class:`EndpointNotFound`,
        :class:`AuthenticationError`, :class:`NetworkError` where the autoscaler can't be trusted, and :class:`ClientGone`.
        """
        try:
            found = self._wait_for_one(place, record, deadline, lifeline)
        except BaseException:
            self._cold_start.end(record)
            raise
        self._cold_start.end(record, found.url.partition("://")[2])
        return found

    def _wait_for_one(self, place: Place, record: Record, deadline: float, lifeline: Lifeline) -> Assignment:
        started = time.monotonic()
        pause = _FIRST_POLL_PAUSE
        record.ask_for_worker()
        while True:
            found = self._route(place, record, lifeline)
            now = time.monotonic()
            if isinstance(found, Assignment):
                return found
            self._say(place, record, found.said, lifeline)
            if not found.remedy:
                self.state.check(lifeline)
            record.wait_for_worker(found.said)
            if now >= deadline:
                raise self._given_up(found, now - started)
            log.debug("%s no worker yet: %s", record.name, found.said)
            # Jitter, so that many who wait don't ask in step.
            lifeline.wait(min(pause * random.uniform(0.5, 1.0), deadline - now))
            pause = min(pause * 1.6, _LONGEST_POLL_PAUSE)

    def _say(self, place: Place, record: Record, said: str, lifeline: Lifeline) -> None:
        if place.is_waiting:
            self._cold_start.go_on(record, said)
        else:
            place.is_waiting = True
            self._cold_start.begin(record, said, lifeline)

    def _given_up(self, found: _NotReady, waited: float) -> NoWorkerReady:
        if found.remedy:
            message = f"The autoscaler gave no worker for {waited:.0f} s. The last trouble: {found.said.rstrip('.')}."
            hint = found.remedy
        else:
            message = f"No worker became ready within {waited:.0f} s. The autoscaler says: {found.said.rstrip('.')}."
            hint = (
                "A cold start can take many minutes: wait longer with --wait SECONDS, keep a worker warm in the "
                "endpoint's settings, or look at its workers at https://console.vast.ai/endpoints."
            )
        return NoWorkerReady(message, hint=hint, retry_after=_RETRY_AFTER, retried=True)

    def _route(self, place: Place, record: Record, lifeline: Lifeline) -> Assignment | _NotReady:
        """One question, and a second one where the key has changed since the last."""
        key = self.key.key()
        answer = self._ask(place, record, key, lifeline)
        if answer is None:
            log.debug("%s the autoscaler refused the endpoint key", record.name)
            answer = self._ask(place, record, self.key.renew(key), lifeline)
            if answer is None:
                # What was fetched a moment ago may not have reached the autoscaler yet.
                return _NotReady("the autoscaler refuses the endpoint key that the console has just given (401)", _KEY_REFUSED)
        return answer

    def _ask(self, place: Place, record: Record, key: str, lifeline: Lifeline) -> Assignment | _NotReady | None:
        """One call of /route/. None where the key was refused."""
        index = "" if place.request_idx is None else f', "request_idx": {json_text(place.request_idx)}'
        body = f"{self._question}{place.cost}{index}}}".encode()
        fields = [("Authorization", f"Bearer {key}"), ("Content-Type", "application/json"), ("Accept", "application/json")]
        request = OutboundRequest("POST", self.url, self._target, fields, [body])
        record.routes += 1
        try:
            answer = self._transport.ask(request, _LIMITS, lifeline)
            text = answer.read(_LARGEST_ANSWER, _LIMITS.first_byte)
        except CertificateRefused as problem:
            self.reach.failed(str(problem))
            # Unlike other trouble on the way, this doesn't pass by waiting.
            raise NetworkError(
                f"The autoscaler at {self.url} can't be trusted: {problem}.",
                hint="If your company inspects TLS, give its root with --ca-file PATH.",
            ) from problem
        except TransportError as problem:
            lifeline.check()
            self.reach.failed(str(problem))
            return _NotReady(f"the autoscaler at {self.url} can't be reached: {problem}", _OUT_OF_REACH)
        self.reach.succeeded()
        status = answer.status_code
        if status in (401, 403):
            return None
        self.key.accepted()
        if status == 200:
            return self._read(place, text)
        if status == 400 or status == 404:
            raise EndpointNotFound(
                f"The autoscaler at {self.url} refused the endpoint {self.endpoint_name!r} ({status}).",
                hint="List your endpoints with --list, and check --endpoint and --instance.",
            )
        if status == 429 or status >= 500:
            return _NotReady(f"the autoscaler answered {status}", _IN_TROUBLE)
        raise AutoscalerError(
            f"The autoscaler at {self.url} answered {status} to /route/.", hint="Check --autoscaler-url and --instance."
        )

    def _read(self, place: Place, text: bytes) -> Assignment | _NotReady:
        try:
            parsed = _DECODER.decode(text.decode())
        except (ValueError, RecursionError):
            parsed = None
        if not isinstance(parsed, dict):
            return _NotReady("the autoscaler's answer is not JSON", _SOMEBODY_ELSE)
        if isinstance(parsed.get("request_idx"), str):
            place.request_idx = parsed["request_idx"]
        url = parsed.get("url")
        if not url:
            return _NotReady(_in_one_line(parsed.get("status")) or "no worker is ready")
        if not isinstance(url, str) or not _is_worker_url(url):
            raise AutoscalerError("The autoscaler named a worker whose address is no plain http(s)://host:port.")
        # Older autoscalers leave it out; a worker wants it all the same.
        parsed.setdefault("request_idx", JSONNumber("0") if place.request_idx is None else place.request_idx)
        try:
            told = {name: parsed[name] for name in AUTH_FIELDS}
        except KeyError:
            missing = ", ".join(name for name in AUTH_FIELDS if name not in parsed)
            raise AutoscalerError(f"The autoscaler's assignment lacks {missing}.") from None
        if not _NESTED.isdisjoint(map(type, told.values())):
            nested = ", ".join(name for name, value in told.items() if type(value) in _NESTED)
            raise AutoscalerError(f"The autoscaler's assignment has {nested} as no plain value.")
        return Assignment(url.rstrip("/"), told)


@lru_cache(maxsize=1024)
def _is_worker_url(url: str) -> bool:
    match = _WORKER_URL.fullmatch(url)
    try:
        return bool(match and ipaddress.IPv6Address(match["ipv6"] or "::") and urlsplit(url).port != 0)
    except ValueError:
        return False  # brackets around what is no address, or a port above 65535


def _in_one_line(status: Any) -> str:
    try:
        text = status if isinstance(status, str) else "" if status is None else json_text(status)
    except RecursionError:
        text = "a status that is nested too deeply"
    return printable(" ".join(text.split()))[:500]
