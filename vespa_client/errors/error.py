"""The base of all errors."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

__all__ = ["VespaError"]

_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    405: "invalid_request_error",
    408: "timeout_error",
    413: "request_too_large",
    414: "invalid_request_error",
    415: "invalid_request_error",
    417: "invalid_request_error",
    421: "permission_error",
    426: "invalid_request_error",
    429: "rate_limit_error",
    431: "invalid_request_error",
    501: "invalid_request_error",
    503: "overloaded_error",
    504: "timeout_error",
    505: "invalid_request_error",
}


class VespaError(Exception):
    """The base of every error this package raises.

    ``status`` is the HTTP status the proxy answers with, ``code`` a stable word for programs, ``hint`` what a person can
    do about it, ``retry_after`` the seconds after which another try makes sense, ``retried`` whether the proxy has
    tried more than once already, so that a client's own retry would only repeat its work.
    """

    status: int = 500
    code: str = "internal_error"
    hint: str = ""
    allow: Sequence[str] = ()
    is_final: bool = False
    """Whether another try would end alike, though SDKs make one for such a status."""
    param: str | None = None
    request_id: str = ""
    """Of the request that it is the answer to, where it is one."""

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        status: int | None = None,
        retry_after: int | None = None,
        retried: bool = False,
    ) -> None:
        super().__init__(message)
        self.message = message
        if hint is not None:
            self.hint = hint
        if status is not None:
            self.status = status
        self.retry_after = retry_after
        self.retried = retried

    def __str__(self) -> str:
        return f"{self.message}\n\nHINT: {self.hint}" if self.hint else self.message

    def body(self) -> bytes:
        """The JSON that the OpenAI and the Anthropic SDK both show: see "Errors" in the README."""
        import json  # here, since --help has to load this module

        body: dict[str, Any] = {"type": "error", "error": self.fields()}
        if self.request_id:
            body["request_id"] = self.request_id
        return json.dumps(body).encode()

    def event(self) -> bytes:
        """The same as a server-sent event."""
        return b"event: error\ndata: " + self.body() + b"\n\n"

    def fields(self) -> dict[str, str | None]:
        """The inner object of :meth:`body`. SDKs show the message alone, so that the hint stands in it too."""
        return {
            "type": _TYPES.get(self.status, "api_error"),
            "code": self.code,
            "message": self._sentences(),
            "hint": self.hint,
            "param": self.param,
        }

    @property
    def advice(self) -> str:
        """The hint in one line: what it lists, one point a line, becomes sentences."""
        lead, *points = self.hint.split("\n  - ")
        return " ".join([lead, *map(_as_sentence, points)])

    def _sentences(self) -> str:
        """Message and hint as one text, in which each thing stands once."""
        if not self.hint or self.hint.startswith(self.message):
            return self.advice or self.message
        return f"{_as_sentence(self.message)} {self.advice}"


def _as_sentence(text: str) -> str:
    text = text.rstrip()
    return text if text.endswith((".", "!", "?", ":", ".)")) else f"{text}."
