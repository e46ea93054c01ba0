"""The table of what the proxy answers itself."""

from __future__ import annotations

import time

from ...errors import NotFound, UpgradeRefused
from ...http1.fields import list_items, values_of
from ...http1.heads import RequestHead
from ...journal.log import log
from ...settings.table import Settings
from .answer import LocalAnswer, json_answer
from .base_url import is_sdk_route, mended
from .landing import landing
from .models import KnownModels, list_answer, model_answer
from .unsupported import check_route

__all__ = ["LocalAnswers"]

_READS = ("GET", "HEAD")
_HEALTH = ("/health", "/healthz", "/ping")
_ROBOTS = b"User-agent: *\nDisallow: /\n"


class LocalAnswers:
    """What one proxy answers itself. Safe to share between threads."""

    def __init__(self, settings: Settings, models: KnownModels, *, wants_key: bool) -> None:
        """``wants_key``: clients have to give the proxy's key."""
        self._settings = settings
        self._passed = tuple(f"{path.rstrip('/')}/" for path in settings.pass_route)
        self._models = models
        self._wants_key = wants_key
        self._created = int(time.time())
        self._told: set[str] = set()

    def check_head(self, head: RequestHead) -> RequestHead:
        """What can be said before the body is read. Returns the head with the path that its client's SDK meant.

        Raises :class:`UpgradeRefused` for a WebSocket's handshake, on which clients such as Codex fall back to HTTP, and
        :class:`RouteNotServed`.
        """
        upgrades = list_items(head.fields, "upgrade")
        if upgrades and "websocket" in [item.lower() for item in upgrades]:
            raise UpgradeRefused(
                "This proxy speaks HTTP, and no WebSockets.",
                hint='Have the client stream over HTTP: "stream": true on the same route.',
            )
        path = head.path
        if self._passes(path):
            return head
        meant = mended(path)
        check_route(meant or path)
        if meant is None:
            return head
        self._tell_once(path, meant)
        return head._replace(target=meant + head.target[len(path) :])

    def _tell_once(self, path: str, meant: str) -> None:
        route = meant.split("/")[2]  # there are many models, and few routes
        if route not in self._told:
            self._told.add(route)
            log.info("%s is taken as %s: check the base URL that your app was given.", path, meant)

    def answer(self, head: RequestHead, body: bytes | bytearray) -> LocalAnswer | None:
        """The answer, or None where the request is a worker's to answer.

        Raises :class:`NotFound` for a model that isn't known, :class:`Untranslatable` for a body that can't be counted.
        """
        path = head.path
        if self._passes(path):
            return None
        if head.method in _READS:
            return self._read(head, path)
        if head.method == "POST":
            return self._post(path, body)
        return None

    def _read(self, head: RequestHead, path: str) -> LocalAnswer | None:
        models, for_anthropic = self._models.all(), bool(values_of(head.fields, "anthropic-version"))
        if path == "/":
            name = self._settings.endpoint or ""
            return landing(head.fields, name, models[0].name, wants_key=self._wants_key)
        if path == "/v1/models" or path.startswith("/v1/models/"):
            if self._settings.models == "worker":
                return None
            if path in ("/v1/models", "/v1/models/"):
                return list_answer(models, self._created, for_anthropic=for_anthropic)
            return model_answer(self._models, path.removeprefix("/v1/models/"), self._created, for_anthropic=for_anthropic)
        if path in _HEALTH:
            return None if self._settings.pass_health else json_answer("health", {"status": "ok"})
        if path in ("/api/version", "/api/tags"):
            return self._tell_ollama(path)
        if path == "/api/ps":
            return json_answer("ollama", {"models": []})
        return self._probe(head, path)

    def _probe(self, head: RequestHead, path: str) -> LocalAnswer | None:
        if path == "/favicon.ico":
            return LocalAnswer("probe", 204, "", b"", (("Cache-Control", "max-age=86400"),))
        if path == "/robots.txt":
            return LocalAnswer("probe", 200, "text/plain", _ROBOTS)
        if path == "/api/hello":
            return json_answer("probe", {"message": "hello"})
        if path == "/sw.js" or path.startswith("/.well-known/"):
            raise NotFound(f"There is no {path} here.", hint="Browsers and apps ask for it of every site; nothing is missing.")
        if head.method == "HEAD" and is_sdk_route(path):
            # Some ask whether it is there before they post to it.
            return LocalAnswer("probe", 200, "", b"", (("Allow", "POST, OPTIONS"),))
        return None

    def _post(self, path: str, body: bytes | bytearray) -> LocalAnswer | None:
        if path == "/v1/messages/count_tokens" and self._settings.translate != "never":
            from ...dialects.messages import count_tokens

            return json_answer("count_tokens", count_tokens(body))
        return self._tell_ollama(path, body) if path == "/api/show" else None

    def _tell_ollama(self, path: str, body: bytes | bytearray = b"") -> LocalAnswer:
        from ...dialects.ollama import show, tags, version  # here, as routes.py has it

        if path == "/api/version":
            return json_answer("ollama", version())
        if path == "/api/tags":
            return json_answer("ollama", tags(self._models.all(), self._created))
        shown = show(body, self._models.all(), self._created)
        if shown is None:
            raise NotFound("The model is not known here.", hint="GET /api/tags lists those that are.")
        return json_answer("ollama", shown)

    def _passes(self, path: str) -> bool:
        return f"{path}/".startswith(self._passed)
