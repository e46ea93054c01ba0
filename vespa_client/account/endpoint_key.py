"""The endpoint key in use, fetched with the account key, and fetched again when it has been changed."""

from __future__ import annotations

import copy
import math
import random
import threading
import time
from collections.abc import Callable
from typing import NamedTuple

from ..errors import (
    AuthenticationError,
    ConfigurationError,
    ConsoleError,
    KeyFileUnusable,
    TwoFactorRequired,
    VespaError,
)
from ..journal.log import log
from ..settings.table import Settings
from .console import Console, find_endpoint
from .lookup import find_account

__all__ = ["EndpointKey", "KeyOrigin"]

# The console limits its callers, so that a key it keeps handing out and the autoscaler keeps refusing
# must not have it asked at each request.
_FIRST_PAUSE = 5.0
_LONGEST_PAUSE = 300.0
# What the console has just given may not have reached the autoscaler yet.
_FRESH_SECONDS = 2.0


class KeyOrigin(NamedTuple):
    """Where the key in use came from, and how it fares. Times are in seconds since 1970."""

    source: str
    since: float
    """When it was given or fetched."""
    fetches: int = 0
    """How often the console has given one."""
    trouble: str = ""
    """Why it is no good, once the autoscaler has refused it; empty while it is good."""
    trouble_since: float | None = None


class EndpointKey:
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
        self._lock = threading.Lock()  # guards the next six, and that a key is fetched once for all who wait
        self._key = settings.api_key
        self._was_fetched = False  # rather than given
        self._pause = _FIRST_PAUSE
        self._fresh_until = -math.inf
        self._next_fetch = -math.inf
        self.origin = KeyOrigin("--api-key or VAST_API_KEY", time.time())
        """What is known of the key. Written in one step, and for any thread to read."""
        self._trouble: VespaError = AuthenticationError("401 Unauthorized")  # what the last renewal ended with

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
            was_fetched = self._was_fetched
            try:
                key = self._fetch_another(refused)
            except VespaError as problem:
                self._trouble = problem
                self._note_trouble(problem.message)
                self._next_fetch = self._clock() + self._pause * random.uniform(0.75, 1.25)
                self._pause = min(self._pause * 2, _LONGEST_PAUSE)
                raise
            self._pause = _FIRST_PAUSE
            said = "has changed; the new one is in use" if was_fetched else "was fetched with the account key, and is in use"
            log.info("The endpoint key of %r %s.", self._endpoint_name, said)
            return key

    def accepted(self) -> None:
        """The autoscaler has taken the key."""
        if self.origin.trouble:
            self.origin = self.origin._replace(trouble="", trouble_since=None)

    def try_again(self) -> None:
        """Look for another key if the one in use is refused, unless that was tried a moment ago. Raises what that ends with."""
        if self.origin.trouble and self._key is not None:
            self.renew(self._key)

    def _note_trouble(self, trouble: str) -> None:
        since = self.origin.trouble_since or time.time()
        self.origin = self.origin._replace(trouble=trouble, trouble_since=since)

    def _fetch_another(self, refused: str) -> str:
        try:
            key = self._fetch()
        except TwoFactorRequired:
            raise
        except (AuthenticationError, ConfigurationError, KeyFileUnusable):
            raise self._refused() from None
        if key == refused:
            raise AuthenticationError(
                "401 Unauthorized",
                hint=f"The console gave this key of {self._endpoint_name!r} a moment ago, and the autoscaler refuses it. A new "
                "endpoint's key may take a minute; if this goes on, check --instance and --autoscaler-url.",
            )
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
            self.origin = KeyOrigin(f"the console, asked with {account.source}", time.time(), self.origin.fetches + 1)
        self._key = endpoint.api_key
        self._was_fetched = True
        self._on_key(endpoint.api_key)
        return endpoint.api_key

    def _refused(self) -> AuthenticationError:
        hint = f"{AuthenticationError.hint}\n  - It was the autoscaler that refused the key of {self._endpoint_name!r}"
        return AuthenticationError("401 Unauthorized", hint=hint)
