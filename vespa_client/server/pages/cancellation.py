"""Which exchanges a person may cancel, and how it is done: their lifeline is cut, as if the client had left."""

from __future__ import annotations

from ...net.lifeline import Lifeline

__all__ = ["Cancellation", "Cancellations"]


class Cancellation:
    """One exchange's."""

    __slots__ = ("_lifeline", "asked_for")

    def __init__(self, lifeline: Lifeline) -> None:
        self._lifeline = lifeline
        self.asked_for = False
        """Whether it was a person who cut the lifeline."""

    def cancel(self) -> None:
        """End the exchange. For any thread; harmless twice."""
        self.asked_for = True
        self._lifeline.cut()


class Cancellations:
    """Those of one proxy. Safe to share between threads: each step is one of a dict's own."""

    def __init__(self) -> None:
        self._running: dict[str, Cancellation] = {}

    def enter(self, request_id: str, lifeline: Lifeline) -> Cancellation:
        """From now on the exchange of that id can be cancelled."""
        cancellation = self._running[request_id] = Cancellation(lifeline)
        return cancellation

    def leave(self, request_id: str) -> None:
        """The exchange is over."""
        del self._running[request_id]

    def cancel(self, request_id: str) -> bool:
        """Cancel the exchange of that id. Returns whether there is one that can be."""
        cancellation = self._running.get(request_id)
        if cancellation is None:
            return False
        cancellation.cancel()
        return True
