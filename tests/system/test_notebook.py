"""Both clients in the cells of a Jupyter notebook, which runs in a kernel of its own with an event loop that never stops."""

from __future__ import annotations

import asyncio
import os
import re
import tempfile
from collections.abc import Callable
from html import unescape
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from traitlets.config import Config

from vespa_client.sandbox import Sandbox

from ..support.programs import environment

Outputs = Callable[..., list[list[dict[str, Any]]]]
Run = Callable[..., list[str]]

IMPORTS = """
import asyncio, os, threading
from openai import AsyncOpenAI, OpenAI
from vespa_client import AsyncVastClient, VastClient, VespaError
where = {"console_url": os.environ["CONSOLE_URL"], "autoscaler_url": os.environ["AUTOSCALER_URL"], "port": 0}
messages = [{"role": "user", "content": "Hello!"}]
"""
ANSWER = "I am the sandbox's stand-in, not a real model. You said: Hello!\n"
ASK = """
with OpenAI(base_url=f"{client.url}/v1", api_key="not-used") as openai:
    print(openai.chat.completions.create(model="sandbox", messages=messages).choices[0].message.content)
"""
STREAM = """
with OpenAI(base_url=f"{client.url}/v1", api_key="not-used") as openai:
    for chunk in openai.chat.completions.create(model="sandbox", messages=messages, stream=True):
        print(chunk.choices[0].delta.content or "", end="")
print()
"""
ASK_ASYNC = """
async with AsyncOpenAI(base_url=f"{client.url}/v1", api_key="not-used") as openai:
    answer = await openai.chat.completions.create(model="sandbox", messages=messages)
print(answer.choices[0].message.content)
"""
# In each state, by a stand-in that the cells can reach.
CARDS = """
from vespa_client.sandbox import Sandbox
import requests, time
sandbox = Sandbox(token_delay=0.0)
sandbox.start()
where = {"console_url": sandbox.console_url, "autoscaler_url": sandbox.autoscaler_url, "port": 0}
name = sandbox.endpoints[0].name
client = VastClient(name, account_key=sandbox.account_key, **where)
refused = VastClient(name, api_key="a-wrong-key-0123456789", **where)

def ask(client):
    return requests.post(client.url + "/v1/completions", json={"prompt": "Hi"}).status_code

def wait_until(is_so):
    deadline = time.monotonic() + 30
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.01)
"""
WAITING = """
sandbox.autoscaler.cold(status="0 ready, 2 loading")
asking = threading.Thread(target=ask, args=[client])
asking.start()
wait_until(lambda: client.status().waiting.count)
"""
LEFT = """
print([thread.name for thread in threading.enumerate() if thread.name.startswith("vespa")])
"""


@pytest.fixture
def outputs(sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Outputs:
    """Runs cells behind the imports, one after the other, and returns the outputs of each, as notebooks keep them."""
    # The account is the environment's, as a person would have it who shows their notebook to others.
    known = {"VAST_ENDPOINT": sandbox.endpoints[0].name, "VAST_ACCOUNT_KEY": sandbox.account_key}
    urls = {"CONSOLE_URL": sandbox.console_url, "AUTOSCALER_URL": sandbox.autoscaler_url}
    # IPython's own warnings are its own.
    quiet = {"PYTHONWARNINGS": "ignore", "PYDEVD_DISABLE_FILE_VALIDATION": "1"}
    for name, value in environment(**known, **urls, **quiet).items():
        monkeypatch.setenv(name, value)

    def run(*cells: str) -> list[list[dict[str, Any]]]:
        book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in (IMPORTS, *cells)])
        with tempfile.TemporaryDirectory() as channels:
            config = Config()
            if os.name == "posix":
                # Jupyter picks a kernel's TCP ports before the kernel listens; another program can be faster.
                config.KernelManager.update({"transport": "ipc", "ip": f"{channels}/k"})
            settings = {"config": config, "resources": {"metadata": {"path": str(tmp_path)}}}
            # The synchronous call would leave an event loop behind.
            asyncio.run(NotebookClient(book, timeout=60, kernel_name="python3", **settings).async_execute())
        return [cell.outputs for cell in book.cells[1:]]

    return run


@pytest.fixture
def run(outputs: Outputs) -> Run:
    """The same; returns what each cell printed."""
    return lambda *cells: ["".join(output.get("text", "") for output in shown) for shown in outputs(*cells)]


def test_the_client_in_cells(run: Run, tmp_path: Path) -> None:
    start, *answers, stopped, left = run("client = VastClient(**where).start()", ASK, STREAM, "client.stop()", LEFT)
    assert start == stopped == ""
    assert answers == [ANSWER, ANSWER]
    assert left == "[]\n"
    assert list(tmp_path.iterdir()) == []


def test_the_client_starts_again_in_a_later_cell(run: Run) -> None:
    cells = ["client = VastClient(**where)"] + ["client.start()", ASK, "client.stop()"] * 2
    assert [text for text in run(*cells) if text] == [ANSWER, ANSWER]


def test_a_cell_that_is_run_twice(run: Run) -> None:
    # What people do: the cell that starts it is run again, without a stop.
    cell = "client = VastClient(**where).start()"
    assert run(cell, cell, ASK, "client.stop()")[2] == ANSWER


def test_the_client_in_one_cell(run: Run) -> None:
    with_client = "with VastClient(**where) as client:\n" + "\n".join("    " + line for line in ASK.splitlines())
    assert run(with_client, LEFT) == [ANSWER, "[]\n"]


def test_the_async_client_with_top_level_await(run: Run) -> None:
    texts = run(
        "client = AsyncVastClient(**where)",
        "await client.start()\nprint(client.is_running)",
        ASK_ASYNC,
        # A call that blocks the kernel's event loop: the proxy doesn't need it.
        ASK,
        "await client.stop()\nprint(client.is_running)",
        "await client.start()",
        ASK_ASYNC,
        "await client.stop()",
        LEFT,
    )
    assert [text for text in texts if text] == ["True\n", ANSWER, ANSWER, "False\n", ANSWER, "[]\n"]


def test_the_async_client_runs_on_behind_the_cells(run: Run) -> None:
    texts = run(
        "client = AsyncVastClient(**where)\nserving = asyncio.create_task(client.run_forever())",
        "while not client.is_running:\n    await asyncio.sleep(0.01)",
        ASK_ASYNC,
        "serving.cancel()\nawait asyncio.wait([serving])\nprint(client.is_running)",
    )
    assert texts == ["", "", ANSWER, "False\n"]


def test_an_error_says_what_to_do_where_the_cell_shows_it(run: Run) -> None:
    with pytest.raises(CellExecutionError, match="Endpoint 'no-such' not found") as caught:
        run("VastClient('no-such', **where).start()")
    assert "EndpointNotFound" in str(caught.value)


def test_a_client_shows_itself_as_a_card_that_is_right_when_it_is_shown(outputs: Outputs) -> None:
    shown = outputs(
        CARDS,
        "client",
        "client.start()",
        "ask(client)\nwait_until(lambda: client.status().totals.requests == 1)\nclient",
        WAITING,
        "client",
        "sandbox.autoscaler.warm()\nasking.join()\nclient.stop()\nclient",
        "refused.start()\nask(refused)\nrefused",
        "url = client.url if client.is_running else refused.url\nprint(url, sandbox.account_key, sandbox.endpoints[0].api_key)",
        "refused.stop()\nsandbox.stop()",
        LEFT,
    )
    cards = [output["data"]["text/html"] for cell in shown for output in cell if "text/html" in output.get("data", {})]
    *printed, left = ["".join(output.get("text", "") for output in cell) for cell in shown]
    texts = [unescape(re.sub(r"<[^>]+>", " ", card)) for card in cards]
    stopped, idle, served, waiting, stopped_again, refused = [re.sub(r"\s+", " ", text).strip() for text in texts]
    assert stopped == stopped_again == "Vespa Client ● stopped sandbox-llm start() starts it"
    assert re.fullmatch(r"Vespa Client ● ready http://127\.0\.0\.1:\d+ → sandbox-llm.* 0 requests · 0 failed · .*", idle)
    assert re.search(r" ready .* 1 request · 0 failed · 0 in progress · \d+ tokens out$", served)
    assert (
        " waiting " in waiting
        and "1 request waits for a worker: 0 ready, 2 loading · 1 request · 0 failed · 1 in progress" in waiting
    )
    assert " in trouble " in refused and "the key is refused: " in refused
    url, account_key, endpoint_key = "".join(printed).split()
    assert f'href="{url}/_vespa/"' in cards[-1]
    for secret in (account_key, endpoint_key, "a-wrong-key"):
        assert secret not in "".join(cards)
    assert left == "[]\n"
