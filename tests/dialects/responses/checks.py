"""What comes out as a response's stream, held against the types of OpenAI's SDK, its stream helper and its own promises."""

from __future__ import annotations

import json
import typing
from typing import Any

from openai import omit
from openai.lib.streaming.responses._responses import ResponseStreamState
from openai.types.responses import Response, ResponseStreamEvent

__all__ = ["check_response", "check_stream", "events_of"]

_CLASSES = {
    typing.get_args(one.model_fields["type"].annotation)[0]: one
    for one in typing.get_args(typing.get_args(ResponseStreamEvent)[0])
}
_ENDS = {"response.completed": "completed", "response.incomplete": "incomplete", "response.failed": "failed"}


def events_of(wire: bytes) -> list[dict[str, Any]]:
    """The events, each of them two lines and an empty one."""
    events = []
    for block in wire.decode().split("\n\n")[:-1]:
        name, data = block.split("\n")
        events.append(json.loads(data.removeprefix("data: ")))
        assert name == f"event: {events[-1]['type']}"
    assert wire == b"" or wire.endswith(b"\n\n")
    return events


def check_response(body: bytes | dict[str, Any]) -> dict[str, Any]:
    """The response, which is one by the SDK's types, with nothing left out that they need."""
    response: dict[str, Any] = body if isinstance(body, dict) else json.loads(body)
    code = (response["error"] or {}).get("code")
    if code == "context_length_exceeded":  # what OpenAI says, Codex looks for and the SDK's types don't list
        response = {**response, "error": {**response["error"], "code": "server_error"}}
    Response.model_validate(response, strict=True)
    return response


def check_stream(wire: bytes) -> list[dict[str, Any]]:
    """The events of a whole stream, each of which is right by itself and in its place."""
    events = events_of(wire)
    for event in events:
        _CLASSES[event["type"]].model_validate(_mild(event), strict=True)
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    assert [event["type"] for event in events[:2]] == ["response.created", "response.in_progress"]
    last = events[-1]
    assert _ENDS[last["type"]] == last["response"]["status"]
    assert not any(event["type"] in _ENDS for event in events[:-1])
    assert len({event["response"]["id"] for event in events if "response" in event}) == 1
    _check_items(events)
    _check_helper(events)
    return events


def _mild(event: dict[str, Any]) -> dict[str, Any]:
    return {**event, "response": check_response(event["response"])} if "response" in event else event


def _check_items(events: list[dict[str, Any]]) -> None:
    """Items appear in their order, grow by what their deltas say, and are said to be done as they are in the end."""
    items: dict[int, dict[str, Any]] = {}
    done: dict[int, dict[str, Any]] = {}
    grown: dict[tuple[Any, ...], str] = {}
    for event in events:
        kind, index = event["type"], event.get("output_index")
        if kind == "response.output_item.added":
            assert index == len(items)
            items[index] = event["item"]
        elif kind == "response.output_item.done":
            assert index not in done
            done[index] = event["item"]
            assert event["item"]["id"] == items[index]["id"]
        elif index is not None:
            assert event["item_id"] == items[index]["id"]
            assert index not in done
            part = (kind.rpartition(".")[0], index, event.get("content_index"), event.get("summary_index"))
            if kind.endswith(".delta"):
                grown[part] = grown.get(part, "") + event["delta"]
            elif kind.endswith(".done") and "part" not in event:
                text = next(event[name] for name in ("text", "refusal", "arguments", "input") if name in event)
                assert text == grown.get(part, "")
    last = events[-1]
    assert [item["id"] for item in last["response"]["output"]] == [item["id"] for item in items.values()]
    for index, item in done.items():
        assert last["response"]["output"][index] == item
    if last["type"] == "response.completed":
        assert set(done) == set(items)
        assert all(item.get("status") == "completed" for item in done.values())


def _check_helper(events: list[dict[str, Any]]) -> None:
    state: ResponseStreamState[Any] = ResponseStreamState(input_tools=omit, text_format=omit)
    for event in events:
        state.handle_event(
            _CLASSES[event["type"]].model_validate(
                event | ({"response": _mild(event)["response"]} if "response" in event else {})
            )
        )
    if events[-1]["type"] == "response.completed":
        assert state._completed_response is not None
