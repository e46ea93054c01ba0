"""LiteLLM in a process of its own, where its threads, its kept connections and its settings disturb no test.

A line in is ``[what, model, api_base]``; a line out is what came of it, as JSON.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from typing import Any

from tests.support.waiting import LONG

from .conversation import ASKING_THE_TOOL, ERROR, HELLO, HOLD, WEATHER_SCHEMA, get_weather

# It would fetch a table of prices otherwise.
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"

FUNCTION = {"name": "get_weather", "description": "The weather in a city.", "parameters": WEATHER_SCHEMA}
TOOLS = [{"type": "function", "function": FUNCTION}]


def user(text: str) -> list[dict[str, Any]]:
    return [{"role": "user", "content": text}]


class Calls:
    """What can be asked of it, as users write it."""

    def __init__(self, litellm: Any, model: str, api_base: str) -> None:
        self.litellm = litellm
        self.where = {"api_base": api_base, "api_key": "not-used"}
        self.how = {"model": model, "max_retries": 0, "timeout": LONG, **self.where}

    def plain(self) -> Any:
        return self.litellm.completion(messages=user(HELLO), **self.how).choices[0].message.content

    def streamed(self) -> Any:
        chunks = self.litellm.completion(messages=user(HELLO), stream=True, **self.how)
        return "".join(chunk.choices[0].delta.content or "" for chunk in chunks)

    def tools(self) -> Any:
        messages = user(ASKING_THE_TOOL)
        asked = self.litellm.completion(messages=messages, tools=TOOLS, **self.how).choices[0].message
        (call,) = asked.tool_calls
        result = get_weather(**json.loads(call.function.arguments))
        messages += [asked.model_dump(), {"role": "tool", "tool_call_id": call.id, "content": result}]
        return self.litellm.completion(messages=messages, tools=TOOLS, **self.how).choices[0].message.content

    def error(self) -> Any:
        try:
            return self.litellm.completion(messages=user(ERROR), **self.how).model_dump()
        except Exception as problem:  # noqa: BLE001 - which one it is, the test says
            return [type(problem).__name__, str(problem)]

    def cancel(self) -> Any:
        chunks = self.litellm.completion(messages=user(HOLD), stream=True, **self.how)
        first = next(text for chunk in chunks if (text := chunk.choices[0].delta.content))
        chunks.completion_stream.close()
        return first

    def models(self) -> Any:
        kind = self.how["model"].partition("/")[0]
        return self.litellm.get_valid_models(check_provider_endpoint=True, custom_llm_provider=kind, **self.where)

    def responses(self) -> Any:
        return self.litellm.responses(input=HELLO, **self.how).output[0].content[0].text


def main() -> None:
    """Answer each line, until there is none."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what it prints itself is not for the tests
    import litellm

    for line in sys.stdin:
        what, model, api_base = json.loads(line)
        call: Callable[[], Any] = getattr(Calls(litellm, model, api_base), what)
        print(json.dumps(call()), file=answers, flush=True)


if __name__ == "__main__":
    main()
