"""Scenarios: what a client of the proxy sees of each, and what Vast.ai's own tools are told."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests
from vastai.serverless.client.worker import Worker

from tests.support.waiting import LONG
from vespa_client import VastClient
from vespa_client.sandbox import SCENARIOS, Answer, HangUp, Request, Sandbox
from vespa_client.sandbox.scenario.activity import Activity
from vespa_client.sandbox.scenario.course import Course, Scenario
from vespa_client.sandbox.scenario.fleet import Fleet

HELLO: Any = {"messages": [{"role": "user", "content": "Hello!"}]}
WHOLE = "I am the sandbox's stand-in, not a real model. You said: Hello!"


@pytest.fixture
def scenario(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def sandbox(scenario: str) -> Iterator[Sandbox]:
    with Sandbox(token_delay=0.0, scenario=scenario, cold_seconds=0.05) as running:
        yield running


def ask(proxy: VastClient, **more: Any) -> str:
    """What came of a request: the whole answer, a status, or that the connection ended too early."""
    try:
        answer = requests.post(f"{proxy.url}/v1/chat/completions", json={**HELLO, **more}, timeout=LONG)
    except (requests.ConnectionError, requests.exceptions.ChunkedEncodingError):
        return "broken"
    if answer.status_code != 200:
        return str(answer.status_code)
    if more:
        return "whole" if answer.text.endswith("data: [DONE]\n\n") else "broken"
    return "whole" if answer.json()["choices"][0]["message"]["content"] == WHOLE else answer.text


def test_an_unknown_scenario_is_none() -> None:
    with pytest.raises(ValueError, match="warm, cold, slow, busy, broken"):
        Sandbox(scenario="hot")


@pytest.mark.parametrize("scenario", ["warm"], indirect=True)
def test_warm(proxy: VastClient) -> None:
    assert [ask(proxy) for _ in range(3)] == ["whole"] * 3


@pytest.mark.parametrize("scenario", ["broken"], indirect=True)
@pytest.mark.parametrize("more", [{}, {"stream": True}])
def test_broken(start_proxy: Callable[..., VastClient], sandbox: Sandbox, more: Any) -> None:
    proxy = start_proxy(retries=1)
    outcomes = ["whole", "broken", "500", "whole", "502", "502"]
    assert [ask(proxy, **more) for _ in range(12)] == outcomes * 2
    # What is refused is never heard of; what breaks, fails and hangs up is.
    assert len(sandbox.worker.requests) == 10


@pytest.mark.parametrize("scenario", ["busy"], indirect=True)
def test_busy(start_proxy: Callable[..., VastClient], sandbox: Sandbox) -> None:
    proxy = start_proxy(retries=1)
    routes: list[int] = []
    outcomes = []
    for _ in range(4):
        outcomes.append(ask(proxy))
        routes.append(len(sandbox.autoscaler.routes) - sum(routes))
    assert outcomes == ["whole", "whole", "whole", "429"]
    assert routes == [1, 5, 2, 2]


@pytest.mark.parametrize("scenario", ["cold"], indirect=True)
def test_cold(proxy: VastClient, sandbox: Sandbox) -> None:
    assert ask(proxy) == "whole"
    routes = sandbox.autoscaler.routes
    assert len(routes) > 1
    polls = [line for line in sandbox.autoscaler.course.activity.read()["trace"].splitlines() if "no worker" in line]
    assert len(polls) == len(routes) - 1
    assert "0 of 2 workers ready: 1 creating, 1 starting" in polls[0]


class Clock:
    """Time that goes on when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_workers_go_through_their_states() -> None:
    clock, activity = Clock(), Activity()
    fleet = Fleet(SCENARIOS["cold"].workers, 20.0, activity, clock)
    clock.now += 100
    assert (fleet.status, fleet.is_ready) == ("0 of 1 workers ready: 1 stopped", False)
    fleet.wake()
    seen = []
    for _ in range(35):
        seen.append(fleet.status)
        clock.now += 1
    assert list(dict.fromkeys(seen)) == [
        "0 of 2 workers ready: 1 creating, 1 starting",
        "0 of 2 workers ready: 1 creating, 1 loading",
        "0 of 2 workers ready: 1 creating, 1 model_loading",
        "0 of 2 workers ready: 1 loading, 1 model_loading",
        "1 of 2 workers ready: 1 loading",
        "1 of 2 workers ready: 1 model_loading",
        "2 of 2 workers ready",
    ]
    assert seen.index("1 of 2 workers ready: 1 loading") == 20
    assert [line.split("worker ")[1] for line in activity.read()["info0"].splitlines()][:2] == [
        "31415000: none -> stopped",
        "31415000: stopped -> starting",
    ]


class Paused(Request):
    """A request that writes down how long it was told to pause."""

    def __init__(self) -> None:
        super().__init__("POST", "/v1/chat/completions", [], b"{}", auth_data={"reqnum": 1})
        self.pauses: list[float] = []

    def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)


def test_slow() -> None:
    course, request = Course(SCENARIOS["slow"]), Paused()
    answer = course.serve(request, lambda _: Answer(200, iter([b"a", b"b", b"c"])))
    assert request.pauses == [8.0]
    assert not isinstance(answer.body, bytes)
    assert list(answer.body) == [b"a", b"b", b"c"]
    assert request.pauses == [8.0, 0.5, 0.5, 0.5]


def test_what_breaks_off_closes_what_it_came_from() -> None:
    closed = []

    def endless() -> Iterator[bytes]:
        try:
            while True:
                yield b"x"
        finally:
            closed.append(True)

    course = Course(Scenario())
    course.remember(1, "break")
    answer = course.serve(Paused(), lambda _: Answer(200, endless()))
    assert not isinstance(answer.body, bytes)
    received = []
    with pytest.raises(HangUp):
        received.extend(answer.body)
    assert closed == [True]


class TestAccountApi:
    @pytest.fixture
    def scenario(self) -> str:
        return "broken"

    def call(self, sandbox: Sandbox, path: str, key: str | None = None, **body: Any) -> Any:
        headers = {"Authorization": f"Bearer {key or sandbox.account_key}"}
        return requests.post(f"{sandbox.autoscaler_url}{path}", json=body, headers=headers, timeout=LONG).json()

    def test_workers(self, sandbox: Sandbox) -> None:
        ready, failed = self.call(sandbox, "/get_endpoint_workers/", id=1)
        assert (ready["status"], failed["status"]) == ("idle", "error")
        assert (ready["gpu_name"], ready["reqs_working"], ready["cur_load"]) == ("RTX 4090", 0, 0.0)
        assert ready["measured_perf"] > 0 == failed["measured_perf"]
        assert self.call(sandbox, "/get_endpoint_workers/", endpoint="sandbox-echo")[0]["id"] == ready["id"]

    def test_workers_as_the_official_sdk_reads_them(self, sandbox: Sandbox) -> None:
        ready, failed = map(Worker.from_dict, self.call(sandbox, "/get_endpoint_workers/", id=1))
        assert (ready.status, failed.status) == ("idle", "error")
        assert ready.loaded_at >= ready.started_at > 0 == failed.loaded_at

    def test_logs(self, sandbox: Sandbox, proxy: VastClient) -> None:
        ask(proxy)
        logs = self.call(sandbox, "/get_endpoint_logs/", id=1)
        assert list(logs) == ["info0", "info1", "trace", "debug"]
        assert "none -> idle" in logs["info0"]
        assert sandbox.worker.url in logs["info1"] and sandbox.worker.url not in logs["info0"]
        assert self.call(sandbox, "/get_endpoint_logs/", id=1, tail=1)["info1"] == logs["info1"].splitlines()[-1]
        for secret in (sandbox.account_key, sandbox.endpoints[0].api_key):
            assert secret not in str(logs)

    def test_refusals(self, sandbox: Sandbox) -> None:
        for path in ("/get_endpoint_workers/", "/get_endpoint_logs/"):
            assert self.call(sandbox, path, key=sandbox.endpoints[0].api_key, id=1) == {"error": "Authentication failed"}
            assert "error_msg" in self.call(sandbox, path, id=99)
