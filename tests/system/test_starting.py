"""What programs ask at their start, in front of an endpoint that is cold: none of it may wake a GPU.

Agents and a browser are started for themselves. Of what is too large for that, the requests are said again that were
seen when it was run by hand.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from vespa_client import VastClient
from vespa_client.sandbox import Sandbox

from ..support import browser as browsers
from ..support import coding_agents
from ..support.browser import Browser
from ..support.coding_agents import AGENTS, CodingAgent
from ..support.outbound_proxy import OutboundProxy
from ..support.raw_worker import connect, get, post
from ..support.waiting import wait_until

try:
    import pexpect
except ImportError:  # Windows has no pseudo terminals
    pexpect = None

agent_modules = coding_agents.agent_modules
PATIENCE = 60.0
HELLO = b'{"model": "m", "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 9, "input": "Hello"}'


@pytest.fixture
def cold_sandbox() -> Iterator[Sandbox]:
    """An endpoint whose worker sleeps."""
    with Sandbox(token_delay=0.0, scenario="cold", cold_seconds=0.0) as sandbox:
        yield sandbox


@pytest.fixture
def cold_proxy(cold_sandbox: Sandbox) -> Iterator[VastClient]:
    with VastClient(
        cold_sandbox.endpoints[0].name,
        account_key=cold_sandbox.account_key,
        console_url=cold_sandbox.console_url,
        autoscaler_url=cold_sandbox.autoscaler_url,
        port=0,
    ) as proxy:
        yield proxy


def routes(sandbox: Sandbox) -> int:
    return len(sandbox.autoscaler.routes)


class Asked(NamedTuple):
    """A request as it was seen, and the status that the program went on with."""

    method: str
    target: str
    status: int
    fields: tuple[str, ...] = ()
    body: bytes = b""


AIOHTTP = ("Accept: */*", "Accept-Encoding: gzip, deflate, br", "User-Agent: Python/3.11 aiohttp/3.14.5")
HTTPX = ("Accept: */*", "Accept-Encoding: gzip, deflate", "User-Agent: python-httpx/0.28.1")
LITELLM = ("Accept: */*", "Accept-Encoding: gzip, deflate", "User-Agent: litellm/1.108.7")
SEEN = {
    # With its page open in a browser, and the proxy as its OpenAI connection and as its Ollama.
    "Open WebUI 0.12.4": (
        Asked("GET", "/v1/models", 200, (*AIOHTTP, "Authorization: Bearer x")),
        Asked("GET", "/api/tags", 200, (*AIOHTTP, "Content-Type: application/json")),
        Asked("GET", "/api/ps", 200, (*AIOHTTP, "Content-Type: application/json")),
        Asked("GET", "/api/version", 200, (*AIOHTTP, "Content-Type: application/json")),
        Asked("GET", "/api/ps", 200, (*AIOHTTP, "Content-Type: application/json")),
    ),
    "GuideLLM 0.8.1": (
        Asked("GET", "/health", 200, HTTPX),
        Asked("GET", "/v1/models", 200, HTTPX),
        Asked("GET", "/health", 200, HTTPX),
    ),
    # With models of the providers openai, hosted_vllm and ollama_chat, by name and by wildcard.
    "LiteLLM's proxy 1.108.7": (
        Asked("POST", "/api/show", 404, (*LITELLM, "Content-Type: application/json"), b'{"name":"*"}'),
        *[Asked("GET", "/v1/models", 200, (*LITELLM, "Authorization: Bearer x"))] * 5,
        Asked("GET", "/api/tags", 200, (*LITELLM,)),
    ),
}


@pytest.mark.parametrize("program", SEEN)
def test_what_it_was_seen_to_ask_wakes_nothing(program: str, cold_proxy: VastClient, cold_sandbox: Sandbox) -> None:
    for asked in SEEN[program]:
        with connect(cold_proxy.url) as peer:
            if asked.method == "POST":
                peer.send(post(asked.body, asked.target, *asked.fields))
            else:
                peer.send(get(asked.target, *asked.fields, method=asked.method))
            answer = peer.message()
        assert answer.status == asked.status, asked
        if asked.status == 200:
            assert answer.one("X-Vespa-Local")
            assert json.loads(answer.body)
    assert routes(cold_sandbox) == 0


def test_a_browser_wakes_nothing(cold_proxy: VastClient, cold_sandbox: Sandbox, tmp_path: Path) -> None:
    if absent := browsers.missing():
        pytest.skip(absent)
    browser = Browser(tmp_path)
    try:
        browser.open(f"{cold_proxy.url}/")
        text = browser.text()
        assert f"{cold_proxy.url}/v1" in text
        assert cold_sandbox.endpoints[0].name in text
        # Its own tools ask for more, and pages that it had before for their workers.
        for path in ("/favicon.ico", "/robots.txt", "/sw.js", "/.well-known/appspecific/com.chrome.devtools.json"):
            browser.open(cold_proxy.url + path)
        assert routes(cold_sandbox) == 0
    finally:
        browser.quit()


@pytest.mark.heavy
@pytest.mark.timeout(600)
@pytest.mark.skipif(pexpect is None, reason="no pseudo terminals here")
@pytest.mark.parametrize("kind", AGENTS.values(), ids=AGENTS)
def test_an_agent_wakes_nothing_before_its_first_prompt(
    kind: type[CodingAgent], cold_proxy: VastClient, cold_sandbox: Sandbox, agent_modules: Path, tmp_path: Path
) -> None:
    with OutboundProxy(lambda host, port: "403 Forbidden") as outbound:
        agent = kind(agent_modules, tmp_path, cold_proxy.url, f"http://127.0.0.1:{outbound.port}")
        program, env = agent.terminal()
        terminal = pexpect.spawn(
            program[0], program[1:], cwd=str(agent.work), env=env, encoding="utf-8", timeout=PATIENCE, dimensions=(50, 160)
        )
        try:
            terminal.expect(agent.ready)
            assert routes(cold_sandbox) == 0
            terminal.send("Say good morning.")
            terminal.expect("morning")
            assert routes(cold_sandbox) == 0
            terminal.send("\r")
            cold_sandbox.model.wait_for(lambda requests: any(b"Say good morning." in request.body for request in requests))
        finally:
            terminal.close(force=True)
        wait_until(lambda: not agent.running())
