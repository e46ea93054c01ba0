"""``/_vespa/health`` and ``/_vespa/ready``: true words, and no request of anybody's routed for them."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

import pytest
import requests

from vespa_client import ConsoleError, VastClient
from vespa_client.account.endpoint_key import EndpointKey
from vespa_client.account.lookup import open_console
from vespa_client.sandbox import Sandbox
from vespa_client.server.pages.health import Check, readiness_of
from vespa_client.settings.table import Settings

from ...support.waiting import LONG, wait_until

StartProxy = Callable[..., VastClient]


def ready(client: VastClient) -> tuple[int, dict[str, Any]]:
    answer = requests.get(f"{client.url}/_vespa/ready", timeout=LONG)
    return answer.status_code, {check["name"]: check for check in answer.json()["checks"]}


def test_a_process_that_lives_is_healthy(proxy: VastClient, sandbox: Sandbox) -> None:
    answer = requests.get(f"{proxy.url}/_vespa/health", timeout=LONG)
    assert (answer.status_code, answer.json()["status"]) == (200, "ok")
    assert requests.head(f"{proxy.url}/_vespa/health", timeout=LONG).status_code == 200
    assert not sandbox.autoscaler.routes


def test_it_is_ready_when_it_listens_has_a_good_key_and_reached_the_autoscaler(proxy: VastClient, sandbox: Sandbox) -> None:
    wait_until(lambda: ready(proxy)[0] == 200)
    status, checks = ready(proxy)
    assert status == 200
    assert {name: (check["ok"], check["why"]) for name, check in checks.items()} == {
        "listening": (True, ""),
        "key": (True, ""),
        "autoscaler": (True, ""),
    }
    assert not sandbox.autoscaler.routes


def test_an_autoscaler_that_can_t_be_reached_is_named_and_found_again(start_proxy: StartProxy, sandbox: Sandbox) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    proxy = start_proxy(autoscaler_url=f"http://127.0.0.1:{port}")
    wait_until(lambda: ready(proxy)[1]["autoscaler"]["why"] == "connection refused")
    status, checks = ready(proxy)
    assert (status, checks["autoscaler"]["ok"], checks["key"]["ok"]) == (503, False, True)
    since = checks["autoscaler"]["since"]
    assert ready(proxy)[1]["autoscaler"]["since"] == since
    # Nothing but the probe asks: what isn't ready gets no requests by which it could find out.
    with socket.create_server(("127.0.0.1", port)):
        wait_until(lambda: ready(proxy)[0] == 200)
    assert ready(proxy)[1]["autoscaler"]["since"] > since


def test_a_key_that_the_autoscaler_refuses_is_named(start_proxy: StartProxy, sandbox: Sandbox) -> None:
    proxy = start_proxy(wait=0, api_key=sandbox.endpoints[0].api_key)
    sandbox.console.rotate_key(sandbox.endpoints[0].name)
    sandbox.console.answer_with(500)
    assert requests.post(f"{proxy.url}/v1/x", json={}, timeout=LONG).status_code == 502
    status, checks = ready(proxy)
    assert (status, checks["key"]["ok"]) == (503, False)
    assert "500" in checks["key"]["why"]
    assert checks["key"]["since"] > checks["listening"]["since"]


def test_a_key_that_is_taken_again_is_good_again(sandbox: Sandbox) -> None:
    now = [0.0]
    settings = Settings(endpoint=sandbox.endpoints[0].name, account_key=sandbox.account_key, console_url=sandbox.console_url)
    with open_console(settings) as console:
        key = EndpointKey(settings, console, clock=lambda: now[0])
        refused = key.key()
        now[0] += 60
        sandbox.console.answer_with(500)
        with pytest.raises(ConsoleError):
            key.renew(refused)
        assert key.origin.trouble and key.origin.trouble_since
        sandbox.console.rotate_key(settings.endpoint)
        now[0] += 60
        key.try_again()
        assert (key.origin.trouble, key.origin.fetches) == ("", 2)
        key.try_again()
        assert key.origin.fetches == 2


def test_a_proxy_that_stops_is_not_ready(proxy: VastClient) -> None:
    endpoint = proxy._server.pages._table._endpoint.view()  # type: ignore[union-attr]
    readiness = readiness_of(endpoint, started_at=1.0, stopping_since=2.0)
    assert not readiness.ready
    assert readiness.checks[0] == Check("listening", False, 2.0, "stopping")
