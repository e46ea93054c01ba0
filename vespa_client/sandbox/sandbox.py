"""The sandbox: console, autoscaler, worker and model, put together."""

from __future__ import annotations

import json
import logging
import os
import ssl
import threading
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from .autoscaler import Autoscaler, WorkerKind
from .backend import Backend
from .component import Component
from .console import Console, Endpoint, make_key
from .model import Model
from .scenario.course import COLD_SECONDS, SCENARIOS, Course
from .signing import SigningKey
from .speech.script import Script, ScriptError
from .worker import make_worker

__all__ = ["ENDPOINTS", "Sandbox"]

# The package's own: what is blotted out of its records isn't of those of a logger below it.
_log = logging.getLogger("vespa_client")

ENDPOINTS = ("sandbox-llm", "sandbox-echo")
_TOKENS_PER_SECOND = 30
_STOP_SECONDS = 0.8


class Sandbox:
    """A whole Vast.ai on loopback, inside this process.

    ``backend_url`` puts a model server of your own behind the worker, in the built-in model's place (ValueError if it
    is no http(s) URL). ``endpoints`` are the names of the account's endpoints. ``token_delay`` is the model's pause
    before each token, in seconds. With ``worker_tls``, a server-side context, the worker speaks https; its root
    certificate is yours to give to ``console.root_certificate``.

    ``worker_kind`` is the worker's program: ``pyworker``, the official one, which has the routes of its operator alone, or
    ``vespa``, which has whatever its backend has. ``scenario`` is a name in :mod:`.scenario.course`, where each is described:
    ``warm``, ``cold`` (for ``cold_seconds``), ``slow``, ``busy`` or ``broken``. ``script`` is what the built-in model says,
    turn by turn (:mod:`.speech.script`): the path of a JSON file, or what such a file holds. ValueError for a scenario
    that isn't there and a script that is none, with what is wrong about it.

    It answers when :meth:`start` has returned; the urls are known from then on. Nothing of it outlives :meth:`stop`.
    """

    def __init__(
        self,
        backend_url: str | None = None,
        *,
        endpoints: Sequence[str] = ENDPOINTS,
        token_delay: float = 1 / _TOKENS_PER_SECOND,
        worker_tls: ssl.SSLContext | None = None,
        worker_kind: WorkerKind = "pyworker",
        scenario: str = "warm",
        cold_seconds: float = COLD_SECONDS,
        script: str | Path | Script | list[Any] | dict[str, Any] | None = None,
    ) -> None:
        if scenario not in SCENARIOS:
            raise ValueError(f"There is no scenario {scenario!r}: choose one of {', '.join(SCENARIOS)}.")
        key = SigningKey()
        self.account_key = make_key()
        self.endpoints = [Endpoint(number, name) for number, name in enumerate(endpoints, 1)]
        self.console = Console(self.account_key, self.endpoints)
        self._course = Course(SCENARIOS[scenario], cold_seconds)
        self.autoscaler = Autoscaler(key, self.endpoints, self.account_key, self._course)
        self.model = Model(token_delay)
        self.model.script = _read_script(script)
        self.backend = Backend(backend_url) if backend_url else None
        backend = self.backend or self.model.handle
        self.worker = make_worker(worker_kind, key, lambda request: self._course.serve(request, backend))
        self.autoscaler.working = lambda: self.worker.active
        self.worker.tls = worker_tls
        self._components: list[Component] = [self.model, self.worker, self.autoscaler, self.console]
        self._lock = threading.Lock()  # one start or stop at a time
        self._assigned: str | tuple[str, WorkerKind] | None = None
        self._process = os.getpid()

    def __repr__(self) -> str:
        return f"<Sandbox {', '.join(endpoint.name for endpoint in self.endpoints)}>"

    @property
    def console_url(self) -> str:
        """For ``--console-url``. RuntimeError before the first start."""
        return self.console.url

    @property
    def autoscaler_url(self) -> str:
        """For ``--autoscaler-url``. RuntimeError before the first start."""
        return self.autoscaler.url

    def start(self) -> Sandbox:
        """Start it; harmless twice. OSError where the machine has no port or descriptor left."""
        with self._lock:
            self._process = os.getpid()
            try:
                for component in self._components:
                    component.start()
            except OSError:
                self._stop()
                raise
            # A restarted worker has another port.
            url, workers = self.worker.url, self.autoscaler.workers
            assigned: str | tuple[str, WorkerKind] = url if self.worker.kind == "vespa" else (url, self.worker.kind)
            if self._assigned in workers:
                workers[workers.index(self._assigned)] = assigned
            elif self._assigned is None:
                workers.append(assigned)
            self._assigned = assigned
        return self

    def stop(self) -> None:
        """End threads and sockets, within a second; harmless twice. Answers that are under way break off."""
        if os.getpid() != self._process:
            return  # a forked child has no thread of it, and its sockets are its parent's
        with self._lock:
            self._stop()

    def __enter__(self) -> Sandbox:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def _stop(self) -> None:
        self._course.close()
        share = _STOP_SECONDS / len(self._components)
        left = sum(component.stop(share) for component in reversed(self._components))
        if left:
            _log.warning("The sandbox has stopped; %d of its threads are still busy.", left)


def _read_script(script: str | Path | Script | list[Any] | dict[str, Any] | None) -> Script | None:
    if script is None or isinstance(script, Script):
        return script
    if not isinstance(script, (str, Path)):
        return Script(script)
    try:
        return Script(json.loads(Path(script).read_text("utf-8")))
    except OSError as problem:
        raise ScriptError(f"The script {script} can't be read: {problem.strerror}.") from None
    except ScriptError as problem:
        raise ScriptError(f"The script {script} can't be followed: {problem}.") from None
    except (ValueError, RecursionError) as problem:
        raise ScriptError(f"The script {script} is not JSON: {problem}.") from None
