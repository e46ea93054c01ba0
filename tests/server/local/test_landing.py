"""What is at ``/``: for a browser, for a program, and for Ollama's clients."""

from __future__ import annotations

import json

import pytest

from vespa_client.http1.fields import Fields
from vespa_client.server.local.landing import landing

HOST = ("Host", "box.local:8010")
BROWSER = ("Accept", "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8")


def page(*fields: tuple[str, str], name: str = "my-endpoint", model: str = "llama", wants_key: bool = False) -> str:
    answer = landing([HOST, BROWSER, *fields], name, model, wants_key=wants_key)
    assert answer.content_type.startswith("text/html")
    return answer.body.decode()


def test_a_browser_is_told_where_the_base_url_is() -> None:
    shown = page()
    for word in ("http://box.local:8010/v1", "my-endpoint", "llama"):
        assert word in shown
    assert "own key" not in shown
    assert "own key" in page(wants_key=True)


def test_the_page_can_run_nothing_and_ask_nobody() -> None:
    policy = dict(landing([HOST, BROWSER], "e", "m", wants_key=False).more)["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "script" not in policy


@pytest.mark.parametrize("evil", ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "&lt;"])
def test_names_are_text_in_the_page(evil: str) -> None:
    shown = page(("X", "y"), name=evil, model=evil)
    assert evil not in shown


def test_a_host_is_text_in_the_page() -> None:
    answer = landing([("Host", "<b>"), BROWSER], "e", "m", wants_key=False)
    assert b"<b>" not in answer.body


@pytest.mark.parametrize("fields", [[], [HOST], [HOST, ("Accept", "*/*")], [HOST, ("Accept", "application/json")]])
def test_a_program_is_told_the_same_as_json(fields: Fields) -> None:
    answer = landing(fields, "my-endpoint", "llama", wants_key=False)
    host = "box.local:8010" if fields else "localhost"
    assert json.loads(answer.body) == {
        "name": "vespa_client",
        "endpoint": "my-endpoint",
        "base_url": f"http://{host}/v1",
        "model": "llama",
    }


@pytest.mark.parametrize("agent", ["ollama/0.5.1 (amd64 linux) Go/go1.23", "ollama-python/0.6.3 (x86_64 linux) Python/3.11"])
def test_ollama_s_clients_are_greeted_as_by_ollama(agent: str) -> None:
    answer = landing([HOST, ("User-Agent", agent)], "e", "m", wants_key=False)
    assert (answer.content_type.partition(";")[0], answer.body) == ("text/plain", b"Ollama is running")
