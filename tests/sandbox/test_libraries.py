"""Libraries for structured output and agents, through the proxy, before the sandbox's model."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from langchain_openai import ChatOpenAI

from tests.support.waiting import LONG
from vespa_client import VastClient
from vespa_client.sandbox import Sandbox
from vespa_client.sandbox.speech.script import Script

from .people import Person

ROOT = Path(__file__).resolve().parents[2]
_INSTRUCTOR = """
import sys

import instructor, openai
from tests.sandbox.people import Person

for mode in (instructor.Mode.TOOLS, instructor.Mode.JSON_SCHEMA):
    client = instructor.from_openai(openai.OpenAI(base_url=sys.argv[1], api_key="x", max_retries=0), mode=mode)
    ask = dict(model="m", messages=[{"role": "user", "content": "Who?"}], max_retries=0)
    person = client.chat.completions.create(response_model=Person, **ask)
    assert person.addresses[0].number == 1, person
    *_, last = client.chat.completions.create_partial(response_model=Person, **ask)
    assert last.name == person.name, last
print("well")
"""


def test_instructor(proxy: VastClient) -> None:
    """It wants an older ``openai`` than the other tests do, and so an environment of its own."""
    python = os.environ.get("TEST_INSTRUCTOR_PYTHON")
    if not python:
        pytest.skip("TEST_INSTRUCTOR_PYTHON names no Python that has instructor")
    done = subprocess.run(
        [python, "-c", _INSTRUCTOR, f"{proxy.url}/v1"], capture_output=True, text=True, timeout=LONG * 3, cwd=ROOT
    )
    assert done.stdout == "well\n", done.stderr


def test_langchain(proxy: VastClient) -> None:
    with httpx.Client() as http:
        model = ChatOpenAI(base_url=f"{proxy.url}/v1", api_key="x", model="m", max_retries=0, http_client=http)  # type: ignore[arg-type]
        for method in ("json_schema", "function_calling"):
            assert isinstance(model.with_structured_output(Person, method=method).invoke("Who?"), Person)


def test_openai_runs_a_tool_by_a_script(gpt: openai.OpenAI, sandbox: Sandbox) -> None:
    call = {"name": "run", "arguments": {"command": "ls"}}
    sandbox.model.script = Script([{"text": "I look.", "calls": [call]}, {"text": "There is {{result}}."}])
    tools: Any = [{"type": "function", "function": {"name": "run", "parameters": {"type": "object"}}}]
    messages: Any = [{"role": "user", "content": "What is there?"}]
    with gpt.chat.completions.stream(model="m", messages=messages, tools=tools) as stream:
        first = stream.get_final_completion().choices[0].message
    assert first.tool_calls and first.content == "I look."
    messages += [first.model_dump(), {"role": "tool", "tool_call_id": first.tool_calls[0].id, "content": "a.txt"}]
    second = gpt.chat.completions.create(model="m", messages=messages, tools=tools)
    assert second.choices[0].message.content == "There is a.txt."
