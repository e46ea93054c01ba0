"""What the first request would else have to wait for, done at the start."""

from __future__ import annotations

import contextlib
import threading

from ..errors import VespaError
from ..journal.log import log
from ..net.lifeline import ClientGone, Lifeline
from ..outbound.failures import TransportError
from ..outbound.trust import Trust
from .autoscaler import Autoscaler

__all__ = ["Warmup"]

# A look-up of a name can't be called off; its thread ends with it, and does nothing more.
_JOIN_SECONDS = 2.0


class Warmup:
    """A thread that connects to the autoscaler, and has TLS ready for workers.

    It asks for no worker: a /route/ call may wake one that costs money.
    """

    def __init__(self, autoscaler: Autoscaler, trust: Trust, *, expects_tls: bool) -> None:
        """``expects_tls``: workers will have it, so that Vast.ai's root is fetched where no cache has it."""
        self._autoscaler = autoscaler
        self._trust = trust
        self._expects_tls = expects_tls
        self._lifeline = Lifeline()
        self._thread = threading.Thread(target=self._run, name="vespa-warmup", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def close(self) -> None:
        """End it, wherever it is."""
        self._lifeline.cut()
        if self._thread.is_alive():
            self._thread.join(_JOIN_SECONDS)

    def _run(self) -> None:
        with contextlib.suppress(ClientGone):
            try:
                self._autoscaler.connect(self._lifeline)
            except (TransportError, VespaError) as problem:
                # The first request will find the same, and say it to somebody.
                reason = problem.message if isinstance(problem, VespaError) else str(problem)
                log.debug("The autoscaler can't be connected to yet: %s", reason)
            if self._expects_tls:
                self._trust.ready(self._lifeline)
            else:
                self._trust.use_cache()
