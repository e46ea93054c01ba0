"""Waiting for a worker: how long, how often it is asked for, what is said of it, and what ends it early."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from vespa_client import VastClient
from vespa_client.net.lifeline import Lifeline
from vespa_client.outbound.call import TimeLimits
from vespa_client.sandbox import HangUp, Request, Sandbox
from vespa_client.sandbox.messages import Answer

from ..support.faults import Log, proxy_log
from ..support.raw_worker import Message, Peer, connect, post, raw_client
from ..support.waiting import LONG, SHORT

StartProxy = Callable[..., VastClient]

log, client = proxy_log, raw_client


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses between two questions are short."""
    monkeypatch.setattr("vespa_client.routing.autoscaler._FIRST_POLL_PAUSE", 0.02)


def places(sandbox: Sandbox) -> list[Any]:
    """The request_idx of each call of /route/, as the proxy sent it."""
    return [json.loads(route.body).get("request_idx") for route in sandbox.autoscaler.routes]


def ask(proxy: VastClient) -> Message:
    """One request on a connection of its own."""
    with connect(proxy.url) as peer:
        peer.send(post())
        return peer.message()


def polled(sandbox: Sandbox, times: int) -> None:
    """Wait until /route/ has been asked so often."""
    sandbox.autoscaler.wait_for(lambda requests: len(requests) >= times)


@pytest.mark.usefixtures("impatient")
def test_a_waiting_is_one_line_in_the_log_however_often_it_polls(proxy: VastClient, sandbox: Sandbox, log: Log) -> None:
    sandbox.autoscaler.cold(5, status="0 of 1 workers ready: 1 loading")
    assert ask(proxy).status != 503
    done = log.wait_for("#1 POST /v1/x ->")
    waiting = [line for line in log.lines if "Waiting for a worker" in line]
    assert waiting == ["#1 Waiting for a worker: 0 of 1 workers ready: 1 loading"]
    assert "waited" in done
    assert len(sandbox.autoscaler.routes) == 6


@pytest.mark.usefixtures("impatient")
def test_all_polls_of_a_waiting_are_for_one_place(proxy: VastClient, sandbox: Sandbox) -> None:
    sandbox.autoscaler.cold(4)
    ask(proxy)
    first, *others = places(sandbox)
    assert first is None
    assert len(others) == 4
    assert len(set(others)) == 1
    assert others[0] is not None


@pytest.mark.usefixtures("impatient")
def test_the_place_of_a_client_that_left_while_waiting_is_not_used_again(proxy: VastClient, sandbox: Sandbox, log: Log) -> None:
    sandbox.autoscaler.cold()
    with connect(proxy.url) as leaving:
        leaving.send(post())
        polled(sandbox, 3)
    log.wait_for(", left")
    left = places(sandbox)
    sandbox.autoscaler.warm()
    ask(proxy)
    # Counted, since the last question of the one that left may arrive late.
    assert left.count(None) == 1
    assert places(sandbox).count(None) == 2
    served = sandbox.worker.requests[0].auth_data
    assert served is not None
    assert served["request_idx"] not in left


def test_when_the_wait_is_over_it_is_said_how_long_it_was_and_what_the_autoscaler_says(
    start_proxy: StartProxy, sandbox: Sandbox, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Ten minutes, of a clock whose time passes in the pauses alone.
    clock = SimpleNamespace(now=1000.0)
    pauses: list[float] = []

    def wait(lifeline: Lifeline, seconds: float) -> None:
        pauses.append(seconds)
        clock.now += seconds

    for module in ("routing.autoscaler", "routing.exchange", "journal.record"):
        monkeypatch.setattr(f"vespa_client.{module}.time", SimpleNamespace(monotonic=lambda: clock.now, time=time.time))
    monkeypatch.setattr(Lifeline, "wait", wait)
    sandbox.autoscaler.cold(status="0 of 3 workers ready: 2 loading, 1 stopped")
    got = ask(start_proxy())
    assert (got.status, got.one("x-vespa-error"), got.one("x-should-retry")) == (503, "no_worker_ready", "false")
    assert int(got.one("retry-after") or 0) > 0
    assert "within 600 s" in got.error["message"]
    assert "0 of 3 workers ready: 2 loading, 1 stopped" in got.error["message"]
    assert "--wait" in got.error["hint"]
    assert "waited 600.0 s, refused: no_worker_ready" in log.wait_for("#1 POST")
    # They grow to 5 s, with jitter, so that many who wait don't ask in step.
    assert sum(pauses) == pytest.approx(600.0)
    assert pauses[0] <= 0.5
    assert max(pauses) <= 5.0
    assert all(2.5 <= pause <= 5.0 for pause in pauses[10:-1])
    assert len({round(pause, 3) for pause in pauses[10:-1]}) > 10


# What the console knows.


def test_an_endpoint_that_is_stopped_fails_at_once_with_a_hint(proxy: VastClient, sandbox: Sandbox) -> None:
    sandbox.endpoints[0].state = "stopped"
    sandbox.console.clear_requests()
    started = time.monotonic()
    for _ in range(3):
        got = ask(proxy)
        assert (got.status, got.one("x-vespa-error"), got.one("x-should-retry")) == (503, "endpoint_stopped", "false")
        assert "stopped" in got.error["message"]
        assert "https://console.vast.ai/endpoints" in got.error["hint"]
    assert time.monotonic() - started < LONG / 2
    assert len(sandbox.console.requests) == 1


@pytest.mark.usefixtures("impatient")
def test_an_endpoint_that_is_stopped_while_a_request_waits_ends_the_waiting(
    client: Peer, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vespa_client.account.endpoint_state._STATE_SECONDS", 0.0)
    sandbox.autoscaler.cold()
    client.send(post())
    polled(sandbox, 3)
    sandbox.endpoints[0].state = "stopped"
    assert client.message().one("x-vespa-error") == "endpoint_stopped"


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("state", ["suspended", "draining"])
def test_in_other_states_what_loads_is_waited_for(proxy: VastClient, client: Peer, sandbox: Sandbox, state: str) -> None:
    """A suspended endpoint's workers that load become ready; of other words nobody knows."""
    sandbox.endpoints[0].state = state
    sandbox.autoscaler.cold()
    client.send(post())
    polled(sandbox, 4)
    if state == "draining":
        sandbox.endpoints[0].state = "active"
    sandbox.autoscaler.warm()
    assert client.message().status != 503


@pytest.mark.usefixtures("impatient")
def test_without_an_account_key_nobody_knows_that_an_endpoint_is_stopped(start_proxy: StartProxy, sandbox: Sandbox) -> None:
    sandbox.endpoints[0].state = "stopped"
    proxy = start_proxy(account_key=None, api_key=sandbox.endpoints[0].api_key, wait=SHORT)
    assert ask(proxy).one("x-vespa-error") == "no_worker_ready"
    assert sandbox.console.requests == []


@pytest.mark.usefixtures("impatient")
def test_a_console_that_does_not_answer_holds_up_neither_those_who_wait_nor_those_who_leave(
    proxy: VastClient, sandbox: Sandbox, log: Log
) -> None:
    asked, over = threading.Event(), threading.Event()

    def never(request: Request) -> Answer:
        asked.set()
        over.wait(LONG)
        return Answer(503)

    sandbox.console.answer_by(never, times=None)
    sandbox.autoscaler.cold()
    try:
        with connect(proxy.url) as first, connect(proxy.url) as second:
            first.send(post())
            assert asked.wait(LONG)
            second.send(post())
            polled(sandbox, 6)
            first.close()
            log.wait_for("#1 POST /v1/x -> -")
            sandbox.console.clear_script()
            sandbox.autoscaler.warm()
            assert second.message().status != 503
    finally:
        over.set()


# Trouble of the autoscaler.


@pytest.mark.usefixtures("impatient")
def test_trouble_of_every_kind_is_ridden_out_in_one_waiting(
    proxy: VastClient, sandbox: Sandbox, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vespa_client.routing.autoscaler._LIMITS", TimeLimits(LONG, SHORT, SHORT))

    def silent(request: Request) -> Answer:
        request.pause(LONG)
        raise HangUp

    autoscaler = sandbox.autoscaler
    autoscaler.cold(1)
    autoscaler.answer_by(lambda request: None)
    autoscaler.answer_with(429, b"slow down")
    autoscaler.answer_with(500, b"<html>oops</html>")
    autoscaler.answer_with(503)
    autoscaler.hang_up(reset=True)
    autoscaler.hang_up()
    autoscaler.answer_with(200, b"<html>welcome to this hotel's network</html>")
    autoscaler.answer_with(200, b"[1, 2]")
    autoscaler.answer_by(silent)
    assert ask(proxy).status not in (502, 503)
    assert len(autoscaler.routes) == 10
    assert len(set(places(sandbox)[1:])) == 1
    assert len([line for line in log.lines if "Waiting for a worker" in line]) == 1


@pytest.mark.usefixtures("impatient")
def test_trouble_that_does_not_end_is_said_when_the_wait_is_over(start_proxy: StartProxy, sandbox: Sandbox) -> None:
    sandbox.autoscaler.answer_with(500, times=None)
    got = ask(start_proxy(wait=SHORT))
    assert (got.status, got.one("x-vespa-error")) == (503, "no_worker_ready")
    assert "The last trouble: the autoscaler answered 500" in got.error["message"]
    assert "Vast.ai's autoscaler may be in trouble" in got.error["hint"]
    assert len(sandbox.autoscaler.routes) > 2


@pytest.mark.usefixtures("impatient")
def test_what_to_do_about_it_fits_the_trouble(start_proxy: StartProxy, sandbox: Sandbox) -> None:
    proxy = start_proxy(wait=SHORT)
    sandbox.autoscaler.answer_with(200, b"<html>welcome to this hotel's network</html>", times=None)
    assert "a log-in page of the network" in ask(proxy).error["hint"]
    sandbox.autoscaler.clear_script()
    sandbox.autoscaler.hang_up(times=None)
    error = ask(proxy).error
    assert "can't be reached" in error["message"]
    assert error["hint"].startswith("Check the network, --autoscaler-url, and HTTPS_PROXY")


@pytest.mark.usefixtures("impatient")
def test_many_who_wait_are_all_served(proxy: VastClient, sandbox: Sandbox) -> None:
    sandbox.autoscaler.cold()
    clients = [connect(proxy.url) for _ in range(30)]
    try:
        for each in clients:
            each.send(post())
        sandbox.autoscaler.wait_for(lambda requests: len({place for place in places(sandbox) if place}) == 30)
        sandbox.autoscaler.warm()
        assert [each.message().status for each in clients].count(503) == 0
    finally:
        for each in clients:
            each.close()


def test_who_waits_needn_t_wait_on_when_another_is_served(
    proxy: VastClient, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vespa_client.routing.autoscaler._FIRST_POLL_PAUSE", LONG * 10)
    sandbox.autoscaler.cold(2)
    with connect(proxy.url) as one, connect(proxy.url) as other:
        one.send(post())
        other.send(post())
        polled(sandbox, 2)
        assert ask(proxy).status != 503
        assert one.message().status != 503
        assert other.message().status != 503
