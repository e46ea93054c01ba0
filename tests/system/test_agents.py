"""Codex and Claude Code at work through the proxy, with a scripted model behind a worker that has neither's route."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from vespa_client import VastClient
from vespa_client.sandbox import Sandbox
from vespa_client.sandbox.speech.script import Script

from ..support import coding_agents
from ..support.coding_agents import AGENTS, Codex, CodingAgent
from ..support.official_worker import OfficialWorker, official, official_proxy
from ..support.outbound_proxy import OutboundProxy
from ..support.waiting import LONG, wait_until

__all__ = ["official", "official_proxy"]

# npm may have to fetch them, several hundred megabytes.
pytestmark = [pytest.mark.heavy, pytest.mark.timeout(600)]

agent_modules = coding_agents.agent_modules
CHAT = "/v1/chat/completions"
PATIENCE = 60.0


NOTES = "The answer is 41.\nAnd no other.\n"
SHORT_PAGE = "This model reads no more than a page."
MENDED = "The answer is 42.\nAnd no other.\n"


class Stage:
    """What the model says, and hears, in the sandbox or behind the official worker; and a proxy in front."""

    def __init__(self, proxy: VastClient, model: Sandbox | OfficialWorker) -> None:
        self.proxy = proxy
        self._model = model

    def follow(self, script: Sequence[Any]) -> None:
        if isinstance(self._model, Sandbox):
            self._model.model.script = Script(script)
        else:
            self._model.follow(script)

    def wait_for_hold(self, name: str) -> None:
        if isinstance(self._model, Sandbox):
            self._model.model.holds.wait_until_reached(name, PATIENCE)
        else:
            self._model.wait_for_hold(name, PATIENCE)

    def wait_until_cancelled(self) -> None:
        """The generation's end is asked of the model, or of the official worker, which leaves it to garbage collection."""
        if isinstance(self._model, Sandbox):
            self._model.model.wait_for(lambda requests: requests[-1].outcome == "cancelled", LONG)
        else:
            self._model.wait_for_report("Cancelled")

    def asked(self) -> list[Any]:
        """The bodies of the chat completions that the model was asked for."""
        if isinstance(self._model, Sandbox):
            return [json.loads(request.body) for request in self._model.model.requests if request.path == CHAT]
        return self._model.payloads(CHAT)


@pytest.fixture(params=["sandbox", "official worker"])
def stage(request: pytest.FixtureRequest) -> Iterator[Stage]:
    if request.param != "sandbox":
        yield Stage(request.getfixturevalue("official_proxy"), request.getfixturevalue("official"))
        return
    with Sandbox(token_delay=0.0, worker_kind="pyworker") as sandbox:
        name, urls = sandbox.endpoints[0].name, (sandbox.console_url, sandbox.autoscaler_url)
        with VastClient(name, account_key=sandbox.account_key, console_url=urls[0], autoscaler_url=urls[1], port=0) as proxy:
            yield Stage(proxy, sandbox)


@pytest.fixture
def outbound() -> Iterator[OutboundProxy]:
    """Where the agents go with what they would ask of the internet; it leads nowhere."""
    with OutboundProxy(lambda host, port: "403 Forbidden") as proxy:
        yield proxy


@pytest.fixture(params=[pytest.param(kind, marks=pytest.mark.client(name), id=name) for name, kind in AGENTS.items()])
def agent(
    request: pytest.FixtureRequest, stage: Stage, agent_modules: Path, outbound: OutboundProxy, tmp_path: Path
) -> Iterator[CodingAgent]:
    made: CodingAgent = request.param(agent_modules, tmp_path, stage.proxy.url, f"http://127.0.0.1:{outbound.port}")
    (made.work / "notes.txt").write_text(NOTES)
    yield made
    wait_until(lambda: not made.running())


def test_streamed(agent: CodingAgent, stage: Stage) -> None:
    stage.follow([{"reasoning": "A greeting.", "text": "Good morning."}])
    with agent.doing("Say good morning.") as process:
        output, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, output
    assert agent.said(output) == "Good morning."
    (asked,) = stage.asked()
    assert asked["stream"] is True


def test_tools(agent: CodingAgent, stage: Stage) -> None:
    stage.follow(
        [
            {"reasoning": "I have to look first.", "text": "I look.", "calls": [agent.reads]},
            {"text": "I mend it.", "calls": [agent.edits]},
            {"calls": [agent.runs]},
            "It said {{result.0}}",
        ]
    )
    with agent.doing("Mend notes.txt and sort it.") as process:
        output, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, output
    assert "The answer is 41." in agent.said(output)
    assert (agent.work / "notes.txt").read_text() == MENDED
    assert (agent.work / "sorted.txt").read_text() == "And no other.\nThe answer is 42.\n"
    assert len(stage.asked()) == 4


def test_cancel(agent: CodingAgent, stage: Stage) -> None:
    stage.follow([{"calls": [agent.reads]}, {"steps": [{"text": "I begin to "}, {"hold": "middle"}, {"text": "explain."}]}])
    with agent.doing("Explain notes.txt.") as process:
        stage.wait_for_hold("middle")
        agent.interrupt(process)
        stage.wait_until_cancelled()
        process.communicate(timeout=PATIENCE)
    assert process.returncode != 0


def test_error(agent: CodingAgent, stage: Stage) -> None:
    stage.follow([{"error": {"status": 400, "message": SHORT_PAGE}}, {"calls": [agent.reads]}])
    with agent.doing("Explain notes.txt.") as process:
        output, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode != 0
    assert SHORT_PAGE in output


@pytest.mark.parametrize("agent", [Codex], indirect=True)
def test_codex_falls_back_from_its_websocket(agent: CodingAgent, stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    stage.follow(["Good morning.", {"calls": [agent.reads]}])
    with caplog.at_level(logging.INFO, "vespa_client"), agent.doing("Say good morning.") as process:
        output, _ = process.communicate(timeout=PATIENCE)
    assert agent.said(output) == "Good morning."
    asked = [line for line in caplog.messages if " /v1/responses -> " in line]
    assert " -> 426, " in asked[0]
    assert " -> 200, " in asked[-1]


def test_half_an_answer_is_none(agent: CodingAgent, stage: Stage) -> None:
    stage.follow([{"steps": [{"text": "Half an ans"}, {"break": True}]}, {"calls": [agent.reads]}])
    with agent.doing("Explain notes.txt.") as process:
        output, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode != 0
    assert "Half an ans" not in agent.said(output)
