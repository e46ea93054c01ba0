"""LiteLLM, in each of the ways that it has to ask a server of one's own."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.support.programs import ROOT, environment
from vespa_client import VastClient

from .conversation import ANSWER, ERROR_TEXT, MODEL, TOOL_ANSWER
from .site import Site

pytestmark = [
    pytest.mark.heavy,
    pytest.mark.skipif(not importlib.util.find_spec("litellm"), reason="litellm is one of the heavy packages"),
]

Ask = Callable[[str], Any]


@pytest.fixture(scope="module")
def litellm() -> Iterator[subprocess.Popen[str]]:
    """The program: it takes seconds to be imported."""
    command = [sys.executable, "-m", "tests.clients.litellm_program"]
    with subprocess.Popen(
        command,
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment(PYTHONWARNINGS="ignore"),
    ) as program:
        yield program
        assert program.stdin
        program.stdin.close()


@pytest.fixture(
    params=[
        pytest.param("openai", marks=pytest.mark.client("`litellm` (Python), OpenAI")),
        pytest.param("anthropic", marks=pytest.mark.client("`litellm` (Python), Anthropic")),
    ]
)
def ask(request: pytest.FixtureRequest, litellm: subprocess.Popen[str], proxy: VastClient) -> Ask:
    base = f"{proxy.url}/v1" if request.param == "openai" else proxy.url

    def ask(what: str) -> Any:
        assert litellm.stdin and litellm.stdout
        print(json.dumps([what, f"{request.param}/{MODEL}", base]), file=litellm.stdin, flush=True)
        return json.loads(litellm.stdout.readline())

    return ask


def test_plain(ask: Ask) -> None:
    assert ask("plain") == ANSWER


def test_streamed(ask: Ask) -> None:
    assert ask("streamed") == ANSWER


def test_tools(ask: Ask) -> None:
    assert ask("tools") == TOOL_ANSWER


def test_error(ask: Ask) -> None:
    name, text = ask("error")
    assert name == "PermissionDeniedError"
    assert ERROR_TEXT in text


def test_cancel(ask: Ask, site: Site) -> None:
    assert ask("cancel")
    site.wait_until_cancelled()


def test_models(ask: Ask, site: Site) -> None:
    assert [name.rpartition("/")[2] for name in ask("models")] == ["my-endpoint"]
    assert not site.costs()


def test_responses(ask: Ask) -> None:
    assert ask("responses") == ANSWER
