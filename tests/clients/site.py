"""Where a client's requests end up: the official worker, and the sandbox with a worker that has the same routes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from tests.support.official_worker import OfficialWorker
from vespa_client import VastClient
from vespa_client.sandbox import Sandbox

__all__ = ["OfficialSite", "SandboxSite", "Site"]

_CHAT = "/v1/chat/completions"


class Site(Protocol):
    """What a test asks of the one or the other."""

    def proxy(self) -> VastClient:
        """A proxy in front of it, still to be started; its endpoint is ``my-endpoint``."""

    def wait_until_cancelled(self) -> None:
        """Wait until a request has ended because its client hung up. AssertionError where that doesn't come."""

    def payloads(self) -> list[Any]:
        """The chat completions that the model was asked for."""

    def costs(self) -> list[Any]:
        """The costs of the calls of /route/: empty where no worker was asked for."""


class OfficialSite:
    """The official worker."""

    def __init__(self, worker: OfficialWorker) -> None:
        self._worker = worker
        self.proxy = worker.proxy
        self.payloads = worker.payloads
        self.costs = worker.costs

    def wait_until_cancelled(self) -> None:
        """Asked of the worker: it leaves its own connection to the backend to Python's garbage collection."""
        self._worker.wait_for_report("Cancelled")


class SandboxSite:
    """The sandbox."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    @classmethod
    @contextmanager
    def opened(cls) -> Iterator[SandboxSite]:
        """One of its own for a test."""
        with Sandbox(endpoints=("my-endpoint",), token_delay=0.0) as sandbox:
            yield cls(sandbox)

    def proxy(self) -> VastClient:
        """See :meth:`Site.proxy`."""
        urls = {"console_url": self._sandbox.console_url, "autoscaler_url": self._sandbox.autoscaler_url}
        return VastClient("my-endpoint", account_key=self._sandbox.account_key, port=0, **urls)

    def wait_until_cancelled(self) -> None:
        """See :meth:`Site.wait_until_cancelled`."""
        self._sandbox.model.wait_for(lambda requests: any(request.outcome == "cancelled" for request in requests), 10.0)

    def payloads(self) -> list[Any]:
        """See :meth:`Site.payloads`."""
        return [json.loads(request.body) for request in self._sandbox.model.requests if request.path == _CHAT]

    def costs(self) -> list[Any]:
        """See :meth:`Site.costs`."""
        return [request.payload["cost"] for request in self._sandbox.autoscaler.routes]
