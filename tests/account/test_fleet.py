"""The endpoint's workers as Vast.ai sees them: every shape its tools are known to get, and failures that cost nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
import requests

from vespa_client import VastClient
from vespa_client.account.fleet import billed
from vespa_client.sandbox import Sandbox

from ..support.waiting import LONG

StartProxy = Callable[..., VastClient]

ROWS = [
    {"id": 7, "status": "model_loading", "cur_load": 1.5, "measured_perf": 90, "reqs_working": 2, "reliability": 0.99, "x": 1},
    {"id": 8, "status": "stopped", "gpu_name": "RTX 4090", "perf": 3.0},
    {"status": "quantum"},
]
WORKERS, LOGS = "/get_endpoint_workers/", "/get_endpoint_logs/"


def fleet(client: VastClient) -> dict[str, Any]:
    answer = requests.get(f"{client.url}/_vespa/fleet", timeout=LONG)
    assert answer.status_code == 200
    parsed: dict[str, Any] = answer.json()
    return parsed


@pytest.mark.parametrize("said", [ROWS, {"workers": ROWS}, json.dumps(ROWS)])
def test_workers_in_each_shape_they_come_in(proxy: VastClient, sandbox: Sandbox, said: object) -> None:
    sandbox.autoscaler.answer_with(200, json.dumps(said), path=WORKERS)
    sandbox.autoscaler.answer_with(200, {"info0": "one\ntwo\n", "trace": ["three"]}, path=LOGS)
    seen = fleet(proxy)
    assert (seen["known"], seen["trouble"]) == (True, "")
    first, second, third = seen["workers"]
    assert (first["id"], first["load"], first["perf"], first["requests"]) == (7, 1.5, 90.0, 2)
    assert (second["gpu_name"], second["perf"], second["billed"]) == ("RTX 4090", 3.0, "storage, traffic")
    assert (third["id"], third["status"], third["billed"]) == (None, "quantum", "")
    assert seen["by_status"] == {"model_loading": 1, "stopped": 1, "quantum": 1}
    assert seen["log"] == ["one", "two"]
    asked = next(request for request in sandbox.autoscaler.requests if request.path == WORKERS)
    assert json.loads(asked.body) == {"id": sandbox.endpoints[0].id}
    assert asked.header("authorization") == f"Bearer {sandbox.account_key}"


@pytest.mark.parametrize(
    ("status", "said", "trouble"),
    [
        (200, '{"error_msg": "still loading"}', "still loading"),
        (200, '"not yet"', "not yet"),
        (200, "no json", "not JSON"),
        (200, "[" * 5000, "not JSON"),
        (200, '{"workers": 5}', "no list"),
        (500, "", "500"),
        (403, "", "403"),
    ],
)
def test_what_is_no_answer_is_trouble_and_no_error(
    proxy: VastClient, sandbox: Sandbox, status: int, said: str, trouble: str
) -> None:
    sandbox.autoscaler.answer_with(status, said, path=WORKERS)
    seen = fleet(proxy)
    assert (seen["known"], seen["workers"]) == (False, [])
    assert trouble in seen["trouble"]


def test_no_key_in_the_log_is_shown(proxy: VastClient, sandbox: Sandbox) -> None:
    keys = (sandbox.account_key, sandbox.endpoints[0].api_key)
    sandbox.autoscaler.answer_with(200, json.dumps(ROWS), path=WORKERS)
    sandbox.autoscaler.answer_with(200, {"logs": "".join(f"env KEY={key} begun\n" for key in keys)}, path=LOGS)
    assert fleet(proxy)["log"] == ["env KEY=[secret] begun"] * 2


def test_workers_are_shown_where_the_log_can_t_be_had(proxy: VastClient, sandbox: Sandbox) -> None:
    sandbox.autoscaler.answer_with(200, json.dumps(ROWS), path=WORKERS)
    sandbox.autoscaler.answer_with(500, path=LOGS)
    seen = fleet(proxy)
    assert (seen["known"], len(seen["workers"]), seen["log"]) == (True, 3, [])


def test_vast_ai_is_asked_seldom_and_nothing_is_routed(proxy: VastClient, sandbox: Sandbox) -> None:
    sandbox.autoscaler.answer_with(200, json.dumps(ROWS), path=WORKERS)
    sandbox.autoscaler.answer_with(200, {"logs": "one"}, path=LOGS)
    assert [fleet(proxy)["known"] for _ in range(5)] == [True] * 5
    assert len([request for request in sandbox.autoscaler.requests if request.path == WORKERS]) == 1
    assert not sandbox.autoscaler.routes


def test_without_an_account_key_nobody_is_asked(start_proxy: StartProxy, sandbox: Sandbox) -> None:
    proxy = start_proxy(account_key=None, api_key=sandbox.endpoints[0].api_key)
    seen = fleet(proxy)
    assert (seen["known"], seen["trouble"]) == (False, "an account key is needed to ask Vast.ai for them")
    assert not [request for request in sandbox.autoscaler.requests if request.path == WORKERS]


def test_words_of_vast_ai_s_move_no_cursor(proxy: VastClient, sandbox: Sandbox) -> None:
    sandbox.autoscaler.answer_with(200, json.dumps([{"status": "a\x1b[2J"}]), path=WORKERS)
    sandbox.autoscaler.answer_with(200, {"logs": "x\x1b[31my"}, path=LOGS)
    seen = fleet(proxy)
    assert seen["workers"][0]["status"] == "a\\x1b[2J"
    assert seen["log"] == ["x\\x1b[31my"]


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("Ready", "GPU time, storage, traffic"),
        ("loading", "GPU time, storage, traffic"),
        ("Inactive", "storage, traffic"),
        ("Error", "nothing"),
        ("Rebooting", ""),
    ],
)
def test_what_a_state_costs(status: str, expected: str) -> None:
    assert billed(status) == expected
