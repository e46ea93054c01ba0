"""The proxy's own pages, as the rest of the server knows them. What they show is loaded when it is first asked for."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from ...http1.heads import RequestHead
from ...journal.totals import Totals
from ...net.lifeline import Lifeline
from ...routing.served_endpoint import ServedEndpoint
from ...settings.table import Settings
from ..answer_writer import AnswerWriter
from ..connections import Connections

if TYPE_CHECKING:
    from ..capture.captured import Captures
    from .page_table import PageTable
    from .status import Status

__all__ = ["OwnPages"]


class OwnPages:
    """One proxy's pages. Safe to share between threads."""

    def __init__(
        self,
        settings: Settings,
        totals: Totals,
        endpoint: ServedEndpoint,
        connections: Connections,
        *,
        needs_key: bool,
        captures: Captures | None = None,
    ) -> None:
        """``needs_key`` says whether clients have to know the proxy's key; ``captures`` are kept where that was asked for."""
        self._parts = (settings, totals, endpoint, connections)
        self._needs_key = needs_key
        self._captures = captures
        self.port = settings.port
        """The port that the proxy listens on."""
        self.stopping_since: float | None = None
        """When the proxy began to end, and the events with it, in seconds since 1970."""
        self.running: dict[int, Lifeline] = {}
        """Of the exchanges that are being carried out, by their numbers: those that can be cancelled."""

    @cached_property
    def _table(self) -> PageTable:
        from .page_table import PageTable

        return PageTable(
            *self._parts,
            self.running,
            lambda: self.stopping_since,
            port=self.port,
            needs_key=self._needs_key,
            captures=self._captures,
        )

    @staticmethod
    def is_open(head: RequestHead) -> bool:
        """Whether what is asked for is shown without the proxy's key; see :func:`.page_table.is_open`."""
        from .page_table import is_open

        return is_open(head)

    def status(self) -> Status:
        """All there is to see, now."""
        return self._table.status()

    def serve(self, head: RequestHead, writer: AnswerWriter, lifeline: Lifeline) -> int:
        """Answer a request for one of the pages; see :meth:`.page_table.PageTable.serve`."""
        return self._table.serve(head, writer, lifeline)
