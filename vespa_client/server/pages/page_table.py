"""Which path below ``/_vespa/`` is which page."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from ...errors import MethodNotAllowed, NotFound
from ...http1.fields import field_value
from ...http1.heads import RequestHead
from ...journal.totals import Totals
from ...net.lifeline import Lifeline
from ...routing.served_endpoint import ServedEndpoint
from ...settings.table import Settings
from ..access import check_same_origin
from ..answer_writer import AnswerWriter, reason_of
from ..capture.captured import Captures
from ..connections import Connections
from ..request_head import OWN_PAGES
from .answer import PageAnswer
from .assets import PAGE, asset, asset_names
from .captured_pages import captured_page, is_captured_page
from .events import Follower
from .exposition import OPEN_METRICS, PROMETHEUS_TEXT, exposed, wants_open
from .health import health_since, readiness_of
from .metrics import families_of
from .status import Overview, Proxy, Status, as_json, overview_of, proxy_of, settings_shown, status_of

__all__ = ["PageTable", "is_open"]

_METHODS = ("GET", "HEAD")
_CANCEL = re.compile(r"exchanges/([0-9]{1,15})/cancel")


def is_open(head: RequestHead) -> bool:
    """Whether what is asked for has no secret in it, so that it is shown without the proxy's key: the page's own files.

    A browser goes to a page without a key; what the page then asks for has it.
    """
    name = _name(head)
    return head.method in _METHODS and (not name or name in asset_names())


class PageTable:
    """One proxy's pages. Safe to share between threads."""

    def __init__(
        self,
        settings: Settings,
        totals: Totals,
        endpoint: ServedEndpoint,
        connections: Connections,
        running: Mapping[int, Lifeline],
        stopping_since: Callable[[], float | None],
        *,
        port: int,
        needs_key: bool,
        captures: Captures | None,
    ) -> None:
        """``running`` and ``stopping_since`` are :class:`.own_pages.OwnPages`'; ``port`` is the one the proxy listens on."""
        self._settings = settings
        self._shown: dict[str, Any] = settings_shown(settings)
        self._totals = totals
        self._endpoint = endpoint
        self._connections = connections
        self._running = running
        self._stopping_since = stopping_since
        self._port = port
        self._needs_key = needs_key
        self._captures = captures
        self._pages: dict[str, Callable[[RequestHead, Lifeline], PageAnswer]] = {
            "": _page,
            "status": lambda head, lifeline: PageAnswer(as_json(self.status())),
            "health": lambda head, lifeline: PageAnswer(as_json(health_since(self._totals.started_at))),
            "ready": self._ready,
            "metrics": self._metrics,
            "fleet": lambda head, lifeline: PageAnswer(as_json(self._endpoint.fleet(lifeline))),
        }

    def status(self) -> Status:
        """All there is to see, now."""
        return status_of(self._totals, self._endpoint.view(), self._proxy(), self._shown)

    def overview(self) -> Overview:
        """All of it that changes when an exchange ends, but for the exchanges."""
        return overview_of(self._totals, self._endpoint.view(), self._proxy())

    def _is_stopping(self) -> bool:
        return self._stopping_since() is not None

    def _proxy(self) -> Proxy:
        return proxy_of(
            self._settings,
            self._totals,
            port=self._port,
            needs_key=self._needs_key,
            connections=self._connections.count,
            stopping=self._is_stopping(),
            capture=self._captures.most if self._captures is not None else 0,
        )

    def serve(self, head: RequestHead, writer: AnswerWriter, lifeline: Lifeline) -> int:
        """Answer a request for one of the pages. Returns the answer's status.

        Raises :class:`NotFound` where there is no such page, :class:`MethodNotAllowed`, and :class:`ClientGone`.
        """
        name = _name(head)
        if match := _CANCEL.fullmatch(name):
            return self._answer(self._cancel(head, int(match[1])), writer)
        is_asset, is_captured = name in asset_names(), is_captured_page(name)
        if name != "events" and name not in self._pages and not is_asset and not is_captured:
            raise NotFound(
                f"The proxy has no page {head.target.partition('?')[0]}.",
                hint=f"Paths below {OWN_PAGES} are the proxy's own and never reach your endpoint.",
            )
        if head.method not in _METHODS:
            raise MethodNotAllowed(f"{OWN_PAGES}{name} is there to be read.", allow=_METHODS)
        if is_captured:
            # Bodies are nobody's but the proxy's own page's, and those of programs that are no browser.
            check_same_origin(head)
            host = field_value(head.fields, "host") or f"127.0.0.1:{self._port}"
            return self._answer(captured_page(name, self._captures, f"http://{host}", needs_key=self._needs_key), writer)
        if name == "events":
            Follower(self._totals, self.status, self.overview, self._endpoint.view, self._is_stopping).serve(writer, lifeline)
            return 200
        return self._answer(asset(name) if is_asset else self._pages[name](head, lifeline), writer)

    def _answer(self, answer: PageAnswer, writer: AnswerWriter) -> int:
        body = b"" if writer.method == "HEAD" else answer.body
        writer.begin(answer.status, reason_of(answer.status), answer.all_fields(), len(answer.body), body)
        writer.end()
        return answer.status

    def _cancel(self, head: RequestHead, number: int) -> PageAnswer:
        """Cancel an exchange: by a POST alone, and no page may send it but the proxy's own."""
        if head.method != "POST":
            raise MethodNotAllowed("An exchange is cancelled by POST.", allow=("POST",))
        check_same_origin(head)
        lifeline = self._running.get(number)
        if lifeline is None:
            raise NotFound(f"No exchange {number} is in progress.", hint="It may be over; /_vespa/status has those there are.")
        lifeline.cancel()
        return PageAnswer(as_json({"cancelled": number}))

    def _ready(self, head: RequestHead, lifeline: Lifeline) -> PageAnswer:
        self._endpoint.look_again(lifeline)
        started_at, stopping_since = self._totals.started_at, self._stopping_since()
        readiness = readiness_of(self._endpoint.view(), started_at=started_at, stopping_since=stopping_since)
        return PageAnswer(as_json(readiness), status=200 if readiness.ready else 503)

    def _metrics(self, head: RequestHead, lifeline: Lifeline) -> PageAnswer:
        families = families_of(self._totals, self._endpoint.view(), self._settings, self._connections.count)
        is_open = wants_open(field_value(head.fields, "accept"))
        body = exposed(families, open_metrics=is_open)
        return PageAnswer(body, OPEN_METRICS if is_open else PROMETHEUS_TEXT, fields=[("Vary", "Accept")])


def _page(head: RequestHead, lifeline: Lifeline) -> PageAnswer:
    """The page for people. Its own addresses are relative ones, so that it has to be asked for with the slash."""
    if head.target.startswith(OWN_PAGES):
        return asset(PAGE)
    return PageAnswer(b"", "text/plain", 308, fields=[("Location", OWN_PAGES)])


def _name(head: RequestHead) -> str:
    """The page's name: the path below :data:`OWN_PAGES`."""
    return head.target.partition("?")[0][len(OWN_PAGES) :]
