"""Which path below ``/_vespa/`` is which page."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...errors import MethodNotAllowed, NotFound
from ...http1.heads import RequestHead
from ...journal.totals import Totals
from ...net.lifeline import Lifeline
from ...routing.endpoint_view import EndpointView
from ...settings.table import Settings
from ..answer_writer import AnswerWriter, reason_of
from ..connections import Connections
from ..request_head import OWN_PAGES
from .answer import PageAnswer
from .events import Follower
from .status import Status, as_json, proxy_of, settings_shown, status_of

__all__ = ["OwnPages"]

_METHODS = ("GET", "HEAD")


class OwnPages:
    """One proxy's pages. Safe to share between threads."""

    def __init__(
        self,
        settings: Settings,
        totals: Totals,
        endpoint: Callable[[], EndpointView],
        connections: Connections,
        *,
        needs_key: bool,
    ) -> None:
        """``endpoint`` tells what is known of the endpoint, and asks nobody for it."""
        self._settings = settings
        self._shown: dict[str, Any] = settings_shown(settings)
        self._totals = totals
        self._endpoint = endpoint
        self._connections = connections
        self._needs_key = needs_key
        self.port = settings.port
        """The port that the proxy listens on."""
        self.stopping = False
        """Whether the proxy ends, and the events with it."""
        self._pages: dict[str, Callable[[], PageAnswer]] = {
            "status": lambda: PageAnswer(as_json(self.status())),
        }

    def status(self) -> Status:
        """All there is to see, now."""
        proxy = proxy_of(
            self._settings,
            self._totals,
            port=self.port,
            needs_key=self._needs_key,
            connections=self._connections.count,
            stopping=self.stopping,
        )
        return status_of(self._totals, self._endpoint(), proxy, self._shown)

    def serve(self, head: RequestHead, writer: AnswerWriter, lifeline: Lifeline) -> int:
        """Answer a request for one of the pages. Returns the answer's status.

        Raises :class:`NotFound` where there is no such page, :class:`MethodNotAllowed`, and :class:`ClientGone`.
        """
        path = head.target.partition("?")[0]
        name = path[len(OWN_PAGES) :]
        if name != "events" and name not in self._pages:
            raise NotFound(
                f"The proxy has no page {path}.",
                hint=f"Paths below {OWN_PAGES} are the proxy's own and never reach your endpoint.",
            )
        if head.method not in _METHODS:
            raise MethodNotAllowed(f"{path} is there to be read.", allow=_METHODS)
        if name == "events":
            Follower(self._totals, self.status, self._endpoint, lambda: self.stopping).serve(writer, lifeline)
            return 200
        answer = self._pages[name]()
        body = b"" if head.method == "HEAD" else answer.body
        writer.begin(answer.status, reason_of(answer.status), answer.all_fields(), len(answer.body), body)
        writer.end()
        return answer.status
