"""What each client asks the sandbox's model, and what that answers (``vespa_client/sandbox/speech/improvise.py``)."""

from __future__ import annotations

from typing import Any

__all__ = [
    "ANSWER",
    "ASKING_THE_TOOL",
    "BREAK",
    "CITY",
    "ERROR",
    "ERROR_TEXT",
    "HELLO",
    "HOLD",
    "MODEL",
    "THINK",
    "THOUGHTS",
    "TOOL_ANSWER",
    "WEATHER",
    "WEATHER_SCHEMA",
    "get_weather",
]

MODEL = "my-model"
HELLO = "Hello!"
ANSWER = "I am the sandbox's stand-in, not a real model. You said: Hello!"
HOLD = "hold"
"""The model falls silent in the middle of its answer."""
BREAK = "break"
"""Its answer breaks off in the middle."""
THINK = "think"
THOUGHTS = "I can only repeat what I was told."
ERROR = "error 403"
"""A 429 would be given to another worker first."""
ERROR_TEXT = "The sandbox's model was asked for an error 403"
ASKING_THE_TOOL = "Ask get_weather, please."
CITY = "sample city"
"""What the model gives the tool."""
WEATHER = f"rain in {CITY}"
TOOL_ANSWER = f"I am the sandbox's stand-in, not a real model. The tools said: {WEATHER}"
WEATHER_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}


def get_weather(city: str) -> str:
    """The weather in a city."""
    return f"rain in {city}"
