"""What goes wrong behind the proxy, one thing after the other, for as long as it is on."""

from __future__ import annotations

import threading
from collections import Counter
from random import Random

from vespa_client.sandbox import Endpoint
from vespa_client.sandbox.console import Console

from .autoscaler import StumblingAutoscaler
from .fleet import Fleet

__all__ = ["Weather"]

_EVENTS = {"death": 8, "busy": 8, "idle ends": 8, "storm": 3, "key": 2, "black hole": 1}
_MEAN_PAUSE = 0.7
# What the console has given comes to the autoscaler a moment later.
_KEY_SECONDS = 0.3


class Weather(threading.Thread):
    """A thread that makes it. ``happened`` counts what there was."""

    def __init__(
        self, fleet: Fleet, console: Console, autoscaler: StumblingAutoscaler, endpoint: Endpoint, source: Random
    ) -> None:
        super().__init__(name="soak-weather")
        self.happened: Counter[str] = Counter()
        self._fleet = fleet
        self._console = console
        self._autoscaler = autoscaler
        self._endpoint = endpoint
        """As the autoscaler has it; the console has its own."""
        self._source = source
        self._over = threading.Event()

    def run(self) -> None:
        while not self._over.wait(min(self._source.expovariate(1 / _MEAN_PAUSE), 3.0)):
            event = self._source.choices(list(_EVENTS), list(_EVENTS.values()))[0]
            self.happened[event] += 1
            self._make(event)

    def end(self) -> None:
        """Fair from now on."""
        self._over.set()
        self.join()

    def _make(self, event: str) -> None:
        if event == "death":
            self._fleet.kill_one()
        elif event == "busy":
            self._fleet.make_one_busy()
        elif event == "idle ends":
            self._fleet.end_idle_connections()
        elif event == "storm":
            self._autoscaler.storm(self._source.uniform(0.2, 1.5))
        elif event == "black hole":
            self._fleet.swallow(2.0)
        else:
            key = self._console.rotate_key(self._endpoint.name)
            self._over.wait(_KEY_SECONDS)
            self._endpoint.api_key = key
