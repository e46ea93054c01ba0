"""The endpoint key in use, fetched with the account key, and fetched again when it has been changed."""

from __future__ import annotations

import copy
import math
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
    TwoFactorRequired,
    VespaError,
)
from .lifeline import Lifeline
from .log import log
from .settings import Settings

__all__ = ["Keyring"]

# The console limits its callers, so that a key it keeps handing out and the autoscaler keeps refusing
# must not have it asked at each request.
_FIRST_PAUSE = 5.0
_LONGEST_PAUSE = 300.0
# What the console has just given may not have reached the autoscaler yet.
_FRESH_SECONDS = 2.0
# How long the console's word on the endpoint's state is good for, while requests wait for a worker.
_STATE_SECONDS = 60.0
_STOPPED = frozenset({"stopped", "suspended"})


class Keyring:
    """One endpoint's key. Safe to share between threads; whoever needs a new key while one is fetched waits for it."""

    def __init__(
        self,
        settings: Settings,
        console: Console,
        clock: Callable[[], float] = time.monotonic,
        on_key: Callable[[str], None] = lambda key: None,
    ) -> None:
        """``on_key`` is told of each key that the console gives, and of the account key that it gave it for."""
        assert settings.endpoint is not None
        self._settings = settings
        self._console = console
        self._clock = clock
        self._on_key = on_key
        self._endpoint_name = settings.endpoint
        self._lock = threading.Lock()  # guards the next five, and that a key is fetched once for all who wait
        self._key = settings.api_key
        self._pause = _FIRST_PAUSE
        self._fresh_until = -math.inf
        self._next_fetch = -math.inf
        self._trouble: VespaError = AuthenticationError("401 Unauthorized")  # what the last renewal ended with
        self._state_lock = threading.Lock()  # guards that one thread looks at the state, and writes the next two
        self._state = ""
        self._next_look = -math.inf

    def key(self) -> str:
        """The endpoint key; the first call fetches it if it wasn't given.

        Raises :class:`ConfigurationError` where no account key was given, :class:`KeyFileUnusable`,
        :class:`EndpointNotFound`, :class:`NoEndpoints`, and what :meth:`Console.endpoints` raises.
        """
        with self._lock:
            return self._key or self._fetch()

    def renew(self, refused: str) -> str:
        """Another key than ``refused``, which the autoscaler answered with 401.

        One that was fetched a moment ago is returned once more: it may not have reached the autoscaler yet. Raises
        :class:`AuthenticationError` where there is no other key, or the error that the console's answer was.
        """
        with self._lock:
            now = self._clock()
            if self._key is not None and (self._key != refused or now < self._fresh_until):
                return self._key
            if now < self._next_fetch:
                raise copy.copy(self._trouble)
            try:
                key = self._fetch_another(refused)
            except VespaError as problem:
                self._trouble = problem
                self._next_fetch = self._clock() + self._pause * random.uniform(0.75, 1.25)
                self._pause = min(self._pause * 2, _LONGEST_PAUSE)
                raise
            self._pause = _FIRST_PAUSE
            log.info("The endpoint key of %r has changed; the new one is in use.", self._endpoint_name)
            return key

    def check_state(self, lifeline: Lifeline | None = None) -> None:
        """Raises :class:`EndpointStopped` if the console, where an account key lets us ask, says that the endpoint is.

        For whoever waits for a worker, each time anew: one thread asks the console, seldom, and the others go by what is
        known. Raises :class:`ClientGone` when the lifeline is cut.
        """
        if self._clock() >= self._next_look and self._state_lock.acquire(blocking=False):
            try:
                self._state = self._look_at_state(lifeline)
                self._next_look = self._clock() + _STATE_SECONDS
            finally:
                self._state_lock.release()
        state = self._state
        if state in _STOPPED:
            raise EndpointStopped(
                f"The endpoint {self._endpoint_name!r} is {state}, and won't start a worker.",
                hint="Start it at https://console.vast.ai/endpoints, then send the request again (its state is looked at "
                f"every {_STATE_SECONDS:g} s).",
                retried=True,
            )

    def _look_at_state(self, lifeline: Lifeline | None) -> str:
        try:
            account = next((candidate for candidate in account_keys(self._settings) if candidate.certain), None)
            if account is None:
                return ""
            return find_endpoint(self._console.endpoints(account.key, lifeline), self._endpoint_name).state
        except VespaError as problem:
            log.debug("The endpoint's state can't be had: %s", problem)
            return ""

    def _fetch_another(self, refused: str) -> str:
        try:
            key = self._fetch()
        except TwoFactorRequired:
            raise
        except (AuthenticationError, ConfigurationError, KeyFileUnusable):
            raise self._refused() from None
        if key == refused:
            raise self._refused()
        return key

    def _fetch(self) -> str:
        account, endpoints = find_account(self._settings, self._console)
        endpoint = find_endpoint(endpoints, self._endpoint_name)
        self._on_key(account.key)
        if endpoint.api_key is None:
            raise ConsoleError(
                f"The console has no key for the endpoint {self._endpoint_name!r}.",
                hint="Copy it from https://console.vast.ai/endpoints and give it with --api-key.",
            )
        if not account.certain:
            log.info("The key from %s is an account key, and is used as one.", account.source)
        if endpoint.api_key != self._key:
            self._fresh_until = self._clock() + _FRESH_SECONDS
        self._key = endpoint.api_key
        self._on_key(endpoint.api_key)
        return endpoint.api_key

    def _refused(self) -> AuthenticationError:
        hint = f"{AuthenticationError.hint}\n  - It was the autoscaler that refused the key of {self._endpoint_name!r}"
        return AuthenticationError("401 Unauthorized", hint=hint)
