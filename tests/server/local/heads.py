"""Requests as the table of local answers gets them."""

from __future__ import annotations

import json
from typing import Any

from vespa_client.http1.fields import ReceivedFields
from vespa_client.http1.heads import RequestHead
from vespa_client.server.local.answer import LocalAnswer
from vespa_client.server.local.answers import LocalAnswers
from vespa_client.server.local.models import KnownModels
from vespa_client.settings.table import Settings

ENDPOINT = "my-endpoint"


def head(target: str, method: str = "GET", *fields: tuple[str, str]) -> RequestHead:
    """A request's head, with a host."""
    return RequestHead(method, target, 1, ReceivedFields([("Host", "localhost:8010"), *fields]))


def answers(*, wants_key: bool = False, **settings: Any) -> tuple[LocalAnswers, KnownModels]:
    """The table of a proxy with these settings, and the models that it knows."""
    given = Settings(endpoint=ENDPOINT, **settings)
    models = KnownModels(given.model, ENDPOINT)
    return LocalAnswers(given, models, wants_key=wants_key), models


def value(answer: LocalAnswer | None) -> Any:
    """What JSON the answer holds."""
    assert answer is not None
    assert answer.content_type == "application/json"
    return json.loads(answer.body)
