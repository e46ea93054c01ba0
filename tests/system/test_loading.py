"""What is loaded when: a start waits for nothing that only some requests need, and the first chat completion for nothing."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import NamedTuple

import pytest

from vespa_client.sandbox import Sandbox

from ..support.programs import environment
from ..support.waiting import LONG

# Each took a millisecond of the start, or ten.
NOT_FOR_A_START = (
    "dataclasses",
    "difflib",
    "inspect",
    "vespa_client.account.endpoint",
    "vespa_client.dialects",
    "vespa_client.journal.snapshot",
    "vespa_client.payload.cost_estimate",
    "vespa_client.payload.json_walk",
    "vespa_client.payload.multipart",
    "vespa_client.routing.endpoint_view",
    "vespa_client.routing.missing_routes",
    "vespa_client.server.capture",
    "vespa_client.server.pages.page_table",
    "vespa_client.server.translation.translated_relay",
    "vespa_client.tracing.export",
)
NOT_FOR_A_LOG = ("logging.handlers", "vespa_client.command.log.json_lines", "vespa_client.command.log.live_line")
NOT_FOR_HELP = (
    "requests",
    "textwrap",
    "threading",
    "typing",
    "urllib.parse",
    "vespa_client.client",
    "vespa_client.journal.log",
)

# What requests loads itself, which is another release's affair; what the start has loaded, and the first request behind it.
PROGRAM = """
import json, sys, requests
from http.client import HTTPConnection
of_requests = set(sys.modules)
endpoint, key, autoscaler, console, *asked = sys.argv[1:]
from vespa_client import VastClient
with VastClient(endpoint, key, autoscaler_url=autoscaler, console_url=console, port=0) as client:
    at_start = set(sys.modules)
    connection = HTTPConnection(client.url.removeprefix("http://"))
    for path in asked:
        fields = {"Content-Type": "application/json"}
        body = {"model": "m", "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 9, "stream": True}
        connection.request("POST" if path.startswith("/v1/") else "GET", path, json.dumps(body), fields)
        answer = connection.getresponse()
        answer.read()
        assert answer.status == 200, path
    print(json.dumps([sorted(at_start - of_requests), sorted(set(sys.modules) - at_start)]))
"""


# What the garbage collector does while the command line serves, and behind that.
COLLECTOR = """
import gc, sys, threading, time
from vespa_client.command.cli import main
def serving(seconds):
    if threading.current_thread() is threading.main_thread():
        print(gc.isenabled(), gc.get_freeze_count() > 10_000)
        raise KeyboardInterrupt
time.sleep = serving
main(sys.argv[1:])
print(gc.isenabled(), gc.get_freeze_count())
"""


class Loaded(NamedTuple):
    """Names of modules."""

    by_start: list[str]
    by_requests: list[str]


@pytest.fixture
def sandbox() -> Sandbox:
    return Sandbox(token_delay=0.0)


def loaded(sandbox: Sandbox, *asked: str) -> Loaded:
    """What a program loads that starts a proxy in front of the sandbox, and asks it so."""
    with sandbox:
        endpoint = sandbox.endpoints[0]
        given = [endpoint.name, endpoint.api_key, sandbox.autoscaler_url, sandbox.console_url, *asked]
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, *given], env=environment(), capture_output=True, text=True, timeout=2 * LONG
        )
    assert done.returncode == 0, done.stderr
    return Loaded(*json.loads(done.stdout))


def imported(*arguments: str) -> set[str]:
    """What Python imports for these arguments, until it ends."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", *arguments],
        env=environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=2 * LONG,
    )
    return set(re.findall(r"^import time:.*\| +(\S+)$", done.stderr, re.MULTILINE))


def test_a_start_loads_nothing_that_only_some_requests_need(sandbox: Sandbox) -> None:
    by_start = loaded(sandbox).by_start
    assert "vespa_client.server.handler" in by_start
    assert [name for name in NOT_FOR_A_START if name in by_start] == []


def test_the_first_chat_completion_waits_for_no_module(sandbox: Sandbox) -> None:
    assert loaded(sandbox, "/v1/chat/completions").by_requests == []


def test_what_was_left_out_is_loaded_when_it_is_asked_for(sandbox: Sandbox) -> None:
    by_requests = loaded(sandbox, "/v1/messages", "/_vespa/status").by_requests
    assert {"vespa_client.dialects.messages", "vespa_client.server.pages.page_table"} <= set(by_requests)
    assert "vespa_client.dialects.responses" not in by_requests


def test_help_loads_the_settings_and_little_else() -> None:
    by_help = imported("-m", "vespa_client", "--help") - imported("-c", "pass")
    assert "vespa_client.settings.table" in by_help
    assert [name for name in NOT_FOR_HELP if name in by_help] == []


def test_a_log_without_a_terminal_loads_nothing_of_one() -> None:
    by_command = imported("-m", "vespa_client", "--list") - imported("-c", "import requests")
    assert "vespa_client.command.log.handlers" in by_command
    assert [name for name in NOT_FOR_A_LOG if name in by_command] == []


def test_what_a_start_has_loaded_is_not_searched_for_garbage() -> None:
    done = subprocess.run(
        [sys.executable, "-c", COLLECTOR, "--sandbox", "--port", "0"],
        env=environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=2 * LONG,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-2:] == ["True True", "True 0"]
