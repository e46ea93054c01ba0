"""An endpoint's workers and its log, as Vast.ai's own tools list them (protocol.md, "Further calls, with the account key")."""

from __future__ import annotations

import json
import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

from ..errors import VespaError
from ..journal.log import log
from ..net.lifeline import Lifeline
from ..outbound.call import OutboundRequest, TimeLimits
from ..outbound.failures import TransportError
from ..outbound.transport import Transport
from ..settings.table import Settings
from .account_keys import account_keys
from .console import Console, find_endpoint
from .worker_rows import FleetWorker, Unreadable, read_log, read_workers

__all__ = ["Fleet", "FleetView"]

_LIMITS = TimeLimits(connect=5.0, first_byte=10.0, idle=10.0)
_LARGEST_ANSWER = 4 * 2**20
# Vast.ai is asked no oftener than this, however many pages are open.
_PAUSE = 10.0
# A question that failed altogether is asked again after a pause that grows.
_LONGEST_PAUSE = 120.0
# An endpoint that was made anew under its name has another number.
_ID_SECONDS = 300.0
_LOG_LINES = 100


@dataclass(frozen=True)
class FleetView:
    """The endpoint's workers as Vast.ai sees them. Times are in seconds since 1970."""

    available: bool
    """Whether there is an account key, without which it can't be asked."""
    asked_at: float | None = None
    """When Vast.ai last answered; None before it did."""
    workers: tuple[FleetWorker, ...] = ()
    log: tuple[str, ...] = ()
    """The tail of the endpoint's log, the oldest line first."""
    trouble: str = ""
    """Why what is shown is old, or isn't there."""


class Fleet:
    """One endpoint's. Safe to share between threads: one of them asks, the others take what is known."""

    def __init__(
        self,
        settings: Settings,
        console: Console,
        transport: Transport,
        *,
        clean: Callable[[str], str] = lambda text: text,
        on_key: Callable[[str], None] = lambda key: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``clean`` blots secrets out of the log's lines; ``on_key`` is told of the account key that is used."""
        assert settings.endpoint is not None
        self._settings = settings
        self._console = console
        self._transport = transport
        self._clean = clean
        self._on_key = on_key
        self._clock = clock
        self._endpoint_name = settings.endpoint
        self._lock = threading.Lock()  # guards that one thread asks, and writes the fields below
        self._view = FleetView(available=True)
        self._next_look = -math.inf
        self._pause = _PAUSE
        self._id: int | None = None
        self._id_until = -math.inf

    def look(self, lifeline: Lifeline) -> FleetView:
        """What is known, asked for anew where that is due. It fails softly: trouble is a part of what comes.

        Raises :class:`ClientGone` when the lifeline is cut.
        """
        if self._clock() >= self._next_look and self._lock.acquire(blocking=False):
            try:
                self._next_look = self._clock() + self._pause
                self._view = self._ask_all(lifeline)
                self._pause = min(self._pause * 2, _LONGEST_PAUSE) if self._view.trouble else _PAUSE
                self._next_look = self._clock() + self._pause
            finally:
                self._lock.release()
        return self._view

    def _ask_all(self, lifeline: Lifeline) -> FleetView:
        try:
            key = self._account_key()
            if key is None:
                return FleetView(available=False)
            wanted = {"id": self._endpoint_id(key, lifeline)}
            workers = read_workers(self._ask("get_endpoint_workers", wanted, key, lifeline))
            lines = read_log(self._ask("get_endpoint_logs", {**wanted, "tail": _LOG_LINES}, key, lifeline), _LOG_LINES)
        except VespaError as problem:
            return self._failed(problem.message)
        except Unreadable as problem:
            return self._failed(self._clean(str(problem)))
        except TransportError as problem:
            lifeline.check()
            return self._failed(f"The autoscaler at {self._settings.autoscaler} can't be reached: {problem}.")
        return FleetView(True, time.time(), workers, tuple(map(self._clean, lines)))

    def _failed(self, trouble: str) -> FleetView:
        log.debug("The endpoint's workers can't be listed: %s", trouble)
        self._id_until = -math.inf
        return replace(self._view, trouble=trouble)

    def _account_key(self) -> str | None:
        account = next((candidate for candidate in account_keys(self._settings) if candidate.certain), None)
        if account is None:
            return None
        self._on_key(account.key)
        return account.key

    def _endpoint_id(self, key: str, lifeline: Lifeline) -> int:
        if self._id is None or self._clock() >= self._id_until:
            self._id = find_endpoint(self._console.endpoints(key, lifeline), self._endpoint_name).id
            self._id_until = self._clock() + _ID_SECONDS
        return self._id

    def _ask(self, name: str, wanted: dict[str, int], key: str, lifeline: Lifeline) -> Any:
        """One question's answer, read as JSON whatever its type says. Raises :class:`Unreadable`, :class:`TransportError`."""
        url = self._settings.autoscaler
        fields = [("Authorization", f"Bearer {key}"), ("Content-Type", "application/json"), ("Accept", "application/json")]
        request = OutboundRequest("POST", url, f"{urlsplit(url).path}/{name}/", fields, [json.dumps(wanted).encode()])
        answer = self._transport.ask(request, _LIMITS, lifeline)
        text = answer.read(_LARGEST_ANSWER, _LIMITS.first_byte)
        if answer.status_code != 200:
            raise Unreadable(f"The autoscaler answered {answer.status_code} to /{name}/.")
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            raise Unreadable(f"The autoscaler's answer to /{name}/ is not JSON.") from None
