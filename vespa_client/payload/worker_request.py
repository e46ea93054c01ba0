"""A client's request, read and found good: what an exchange starts from."""

from __future__ import annotations

from typing import NamedTuple

from ..errors import BadRequest
from ..http1.fields import Fields, field_value
from ..http1.heads import RequestHead
from .cost import AUTO
from .cost_estimate import estimate_cost, estimate_cost_of_body
from .envelope import BODY_METHODS
from .json_body import check_body
from .upload import payload_of_upload, takes_upload

__all__ = ["WorkerRequest"]


class WorkerRequest(NamedTuple):
    """What a worker is to be asked."""

    method: str
    target: str
    fields: Fields
    cost: str
    """The text of a JSON number."""
    payload: tuple[bytes | bytearray, ...] = ()
    """JSON in pieces, byte for byte as sent."""
    streams: bool = False
    """Whether the payload asks for an event stream: ``"stream": true``, as in OpenAI's and Anthropic's APIs."""
    model: str = ""
    """The model that the payload names; empty where that isn't known."""
    cost_is_estimated: bool = False

    @property
    def path(self) -> str:
        """The target without its query."""
        return self.target.partition("?")[0]

    @classmethod
    def read(
        cls, head: RequestHead, cost: str, body: bytes | bytearray, *, any_form_becomes_json: bool = False
    ) -> WorkerRequest:
        """``cost`` may be :data:`AUTO`. Raises :class:`BadRequest` where a worker can't be asked this.

        A form with files becomes JSON on the routes that are known to take files, and on others by ``any_form_becomes_json``.
        """
        asked = cls(head.method, head.target, head.fields, cost)
        if head.method not in BODY_METHODS:
            if body:
                raise BadRequest(
                    f"A {head.method} request can't carry a body to a worker.",
                    hint="Put what it says into the query, or send it with POST.",
                )
            return asked._estimated(b"")
        content_type = field_value(head.fields, "content-type")
        content_encoding = field_value(head.fields, "content-encoding")
        if takes_upload(asked.path, content_type, content_encoding, general_rule=any_form_becomes_json):
            upload = payload_of_upload(asked.path, content_type, body, general_rule=any_form_becomes_json)
            if upload is not None:
                estimated = estimate_cost(asked.path, upload.values) if cost == AUTO else cost
                model = upload.values.get("model")
                return asked._replace(
                    cost=estimated,
                    payload=upload.pieces,
                    streams=upload.streams,
                    model=model if isinstance(model, str) else "",
                    cost_is_estimated=cost == AUTO,
                )
        checked = check_body(body, content_type, content_encoding)
        asked = asked._replace(payload=(checked.json,), streams=checked.streams, model=checked.model)
        return asked._estimated(checked.json)

    def translated(self, target: str, body: bytes, *, streams: bool) -> WorkerRequest:
        """The same request in other words. An estimated cost is that of those words."""
        # What is translated has to be read.
        fields = [field for field in self.fields if field[0].lower() not in ("accept-encoding", "content-type")]
        fields += [("Accept-Encoding", "identity"), ("Content-Type", "application/json")]
        cost = AUTO if self.cost_is_estimated else self.cost
        said = self._replace(target=target, fields=fields, payload=(body,), streams=streams, cost=cost)
        return said._estimated(body)

    def _estimated(self, body: bytes | bytearray) -> WorkerRequest:
        if self.cost != AUTO:
            return self
        return self._replace(cost=estimate_cost_of_body(self.path, body or b"{}"), cost_is_estimated=True)
