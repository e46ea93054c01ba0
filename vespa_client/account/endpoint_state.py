"""Whether an endpoint can have workers at all, as the console says it (protocol.md, "Console")."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable

from ..errors import EndpointStopped, VespaError
from ..journal.log import log
from ..net.lifeline import Lifeline
from ..settings.table import Settings
from .account_keys import account_keys
from .console import Console, find_endpoint

__all__ = ["EndpointState"]

# How long the console's word on the state is good for, while requests wait for a worker.
_STATE_SECONDS = 60.0
# It never recruits a worker. A suspended one keeps those it has, and those that are loading become ready.
_STOPPED, _SUSPENDED = "stopped", "suspended"


class EndpointState:
    """One endpoint's state. Safe to share between threads."""

    def __init__(self, settings: Settings, console: Console, clock: Callable[[], float] = time.monotonic) -> None:
        assert settings.endpoint is not None
        self._settings = settings
        self._console = console
        self._clock = clock
        self._endpoint_name = settings.endpoint
        self._lock = threading.Lock()  # guards that one thread looks, and writes the next three
        self._state = ""
        self._looked_at: float | None = None
        self._next_look = -math.inf

    def check(self, lifeline: Lifeline | None = None) -> None:
        """Raises :class:`EndpointStopped` if the console, where an account key lets us ask, says that the endpoint is.

        For whoever waits for a worker, each time anew: one thread asks the console, seldom, and the others go by what is
        known. Raises :class:`ClientGone` when the lifeline is cut.
        """
        if self._clock() >= self._next_look and self._lock.acquire(blocking=False):
            try:
                self._note(self._look(lifeline).strip().lower())
                self._looked_at = time.time()
                self._next_look = self._clock() + _STATE_SECONDS
            finally:
                self._lock.release()
        if self._state == _STOPPED:
            raise EndpointStopped(
                f"The endpoint {self._endpoint_name!r} is stopped, and won't start a worker.",
                hint="Start it at https://console.vast.ai/endpoints, then send the request again (its state is looked at "
                f"every {_STATE_SECONDS:g} s).",
                retried=True,
            )

    @property
    def known(self) -> tuple[str, float | None]:
        """The console's word on it, empty where there is none, and when it was asked, in seconds since 1970."""
        return self._state, self._looked_at

    def _note(self, state: str) -> None:
        if state == _SUSPENDED != self._state:
            log.info("The endpoint %r is suspended: its workers go on, and it starts no others.", self._endpoint_name)
        self._state = state

    def _look(self, lifeline: Lifeline | None) -> str:
        try:
            account = next((candidate for candidate in account_keys(self._settings) if candidate.certain), None)
            if account is None:
                return ""
            return find_endpoint(self._console.endpoints(account.key, lifeline), self._endpoint_name).state
        except VespaError as problem:
            log.debug("The endpoint's state can't be had: %s", problem.message)
            return ""
