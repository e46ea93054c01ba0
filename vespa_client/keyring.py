"""The endpoint key in use, fetched with the account key, and fetched again when it has been changed."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable

from .console import Console, find_endpoint
from .credentials import account_keys, find_account
from .errors import (
    AuthenticationError,
    ConfigurationError,
    ConsoleError,
    EndpointStopped,
    KeyFileUnusable,
    NetworkError,
    VespaError,
)
from .settings import Settings

__all__ = ["Keyring"]

_log = logging.getLogger("vespa_client")

# The console limits its callers, so that a key it keeps handing out and the autoscaler keeps refusing
# must not have it asked at each request.
_FIRST_PAUSE = 5.0
_LONGEST_PAUSE = 300.0
# How long the console's word on the endpoint's state is good for, while requests wait for a worker.
_STATE_SECONDS = 60.0
_STOPPED = frozenset({"stopped", "suspended"})


class Keyring:
    """One endpoint's key. Safe to share between threads; whoever needs a new key while one is fetched waits for it."""

    def __init__(self, settings: Settings, console: Console, clock: Callable[[], float] = time.monotonic) -> None:
        assert settings.endpoint is not None
        self._settings = settings
        self._console = console
        self._clock = clock
        self._endpoint_name = settings.endpoint
        self._lock = threading.Lock()  # guards all below, and that a key is fetched once for all who wait
        self._key = settings.api_key
        self._pause = _FIRST_PAUSE
        self._next_fetch = 0.0
        self._state = ""
        self._next_look = 0.0

    def key(self) -> str:
        """The endpoint key; the first call fetches it if it wasn't given. Raises what :meth:`renew` raises."""
        with self._lock:
            return self._key or self._fetch()

    def renew(self, refused: str) -> str:
        """Another key than ``refused``, which the autoscaler answered with 401.

        Raises :class:`AuthenticationError` where there is none, or the error that the console's answer was.
        """
        with self._lock:
            if self._key != refused and self._key is not None:
                return self._key
            if self._clock() < self._next_fetch:
                raise AuthenticationError("401 Unauthorized", hint=self._hint())
            try:
                key = self._fetch()
            except (AuthenticationError, ConfigurationError, KeyFileUnusable):
                raise AuthenticationError("401 Unauthorized", hint=self._hint()) from None
            if key == refused:
                raise AuthenticationError("401 Unauthorized", hint=self._hint())
            _log.info("The endpoint key of %r has changed; the new one is in use.", self._endpoint_name)
            return key

    def check_state(self) -> None:
        """Raises :class:`EndpointStopped` if the console, where an account key lets us ask, says that the endpoint is."""
        with self._lock:
            if self._clock() >= self._next_look:
                self._state = self._look_at_state()
                self._next_look = self._clock() + _STATE_SECONDS
            state = self._state
        if state in _STOPPED:
            raise EndpointStopped(
                f"The endpoint {self._endpoint_name!r} is {state}, and won't start a worker.",
                hint="Start it at https://console.vast.ai/endpoints, then send the request again (its state is looked at "
                f"every {_STATE_SECONDS:g} s).",
                retried=True,
            )

    def _look_at_state(self) -> str:
        try:
            account = next((candidate for candidate in account_keys(self._settings) if candidate.certain), None)
            if account is None:
                return ""
            return find_endpoint(self._console.endpoints(account.key), self._endpoint_name).state
        except VespaError as problem:
            _log.debug("The endpoint's state can't be had: %s", problem)
            return ""

    def _fetch(self) -> str:
        try:
            account, endpoints = find_account(self._settings, self._console)
        except (ConsoleError, NetworkError, AuthenticationError):
            self._put_off()
            raise
        endpoint = find_endpoint(endpoints, self._endpoint_name)
        if endpoint.api_key is None:
            raise ConsoleError(
                f"The console has no key for the endpoint {self._endpoint_name!r}.",
                hint="Copy it from https://console.vast.ai/endpoints and give it with --api-key.",
            )
        if not account.certain:
            _log.info("The key from %s is an account key, and is used as one.", account.source)
        self._put_off() if endpoint.api_key == self._key else self._put_off_no_more()
        self._key = endpoint.api_key
        return endpoint.api_key

    def _put_off(self) -> None:
        self._next_fetch = self._clock() + self._pause * random.uniform(0.75, 1.25)
        self._pause = min(self._pause * 2, _LONGEST_PAUSE)

    def _put_off_no_more(self) -> None:
        self._pause, self._next_fetch = _FIRST_PAUSE, self._clock() + _FIRST_PAUSE

    def _hint(self) -> str:
        return f"{AuthenticationError.hint}\n  - It was the autoscaler that refused the key of {self._endpoint_name!r}"
