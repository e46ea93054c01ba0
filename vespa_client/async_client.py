"""The proxy as an object for programs that ``await``."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING

from .client import VastClient
from .journal.snapshot import Exchange
from .net.real_threads import require_real_threads
from .server.pages.status import Status

if TYPE_CHECKING:
    from typing_extensions import Self, Unpack

    from .settings.keywords import SettingKeywords

__all__ = ["AsyncVastClient"]


class AsyncVastClient:
    """:class:`VastClient` for programs that ``await``. The proxy runs in the same threads; the event loop stays free."""

    def __init__(
        self, endpoint_name: str | None = None, api_key: str | None = None, **settings: Unpack[SettingKeywords]
    ) -> None:
        """As :meth:`VastClient.__init__`."""
        self._client = VastClient(endpoint_name, api_key, **settings)

    def __repr__(self) -> str:
        return f"<Async{repr(self._client)[1:]}"

    @property
    def url(self) -> str:
        """As :attr:`VastClient.url`."""
        return self._client.url

    @property
    def endpoint_name(self) -> str | None:
        """As :attr:`VastClient.endpoint_name`."""
        return self._client.endpoint_name

    @property
    def proxy_key(self) -> str | None:
        """As :attr:`VastClient.proxy_key`."""
        return self._client.proxy_key

    @property
    def is_running(self) -> bool:
        """As :attr:`VastClient.is_running`."""
        return self._client.is_running

    async def start(self) -> Self:
        """As :meth:`VastClient.start`. Cancelled, it leaves nothing running that it started."""
        if self._client.is_running:
            return self
        require_real_threads()  # here already, since the thread below may never run where they aren't
        unwanted = threading.Event()

        def start() -> None:
            self._client.start()
            if unwanted.is_set():
                self._client.stop()

        try:
            await asyncio.to_thread(start)
        except asyncio.CancelledError:
            unwanted.set()
            # The thread may have been past its look. Not awaited: a task that is cancelled is to end.
            asyncio.get_running_loop().run_in_executor(None, self._client.stop)
            raise
        return self

    async def stop(self, drain: float = 0.0) -> int:
        """As :meth:`VastClient.stop`."""
        return await asyncio.to_thread(self._client.stop, drain)

    def status(self) -> Status:
        """As :meth:`VastClient.status`."""
        return self._client.status()

    def on_exchange(self, callback: Callable[[Exchange], object]) -> Callable[[], None]:
        """As :meth:`VastClient.on_exchange`, but that it is called by the event loop that runs now."""
        loop = asyncio.get_running_loop()

        def hand_over(exchange: Exchange) -> None:
            with contextlib.suppress(RuntimeError):  # the loop has ended before the proxy
                loop.call_soon_threadsafe(callback, exchange)

        return self._client.on_exchange(hand_over)

    def _repr_html_(self) -> str:
        return self._client._repr_html_()

    async def run_forever(self) -> None:
        """Start, and return when :meth:`stop` is called. Cancelling (which Ctrl-C does) stops the proxy too."""
        await self.start()
        try:
            while self._client.is_running:
                await asyncio.sleep(0.25)
        finally:
            # Not awaited: the task may be in the middle of being cancelled.
            self._client.stop()

    async def __aenter__(self) -> Self:
        return await self.start()

    async def __aexit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()
