"""The sandbox as a person has it: with the official worker's routes."""

from __future__ import annotations

from collections.abc import Iterator

import openai
import pytest

from tests.support.waiting import LONG
from vespa_client import VastClient
from vespa_client.sandbox import Sandbox


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """A Vast.ai on loopback, its model without pauses."""
    with Sandbox(token_delay=0.0) as running:
        yield running


@pytest.fixture
def gpt(proxy: VastClient) -> Iterator[openai.OpenAI]:
    """The OpenAI SDK before the proxy, which would hide a failure behind its own retries."""
    with openai.OpenAI(base_url=f"{proxy.url}/v1", api_key="not-used", max_retries=0, timeout=LONG) as client:
        yield client
