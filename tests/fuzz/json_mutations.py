"""What is made odd about a JSON value: members lost, put in each other's place, or made anything. Pure."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from random import Random
from typing import Any

__all__ = ["mutate_json"]

_ODD: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    -1,
    7,
    10**30,
    1.5,
    -1e308,
    float("nan"),
    "",
    "x",
    "\ud800",
    "é\u2028\x00",
    '{"a": 1}',
    "x" * 10_000,
    "data:image/png;base64,AAAA",
    [],
    {},
    [[]],
    [None],
    ["x"],
    [{}],
    {"type": "text"},
    {"type": "function"},
    {"error": {"message": "odd", "code": 400}},
)
_NAMES = ("type", "id", "name", "content", "role", "error", "tool_calls", "index", "arguments", "text", "usage", "x")


def mutate_json(value: Any, source: Random) -> tuple[str, Any]:
    """One mutation, and what it is called."""
    if source.random() < 0.02:
        return "another value", source.choice(_ODD)
    changed = copy.deepcopy(value)
    places = list(_places(changed))
    if not places:
        return "another value", source.choice(_ODD)
    holder, key = source.choice(places)
    luck = source.random()
    if luck < 0.35:
        holder[key] = copy.deepcopy(source.choice(_ODD))
        return "odd member", changed
    if luck < 0.55:
        del holder[key]
        return "member lost", changed
    if luck < 0.75:
        other, name = source.choice(places)
        # A copy, since a value may not hold itself.
        holder[key] = copy.deepcopy(other[name])
        return "member of elsewhere", changed
    if luck < 0.85 and isinstance(holder, list):
        holder[key:key] = [copy.deepcopy(holder[key])] * source.choice((1, 1, 2, 50))
        return "element again", changed
    if luck < 0.95 and isinstance(holder, dict):
        holder[source.choice(_NAMES)] = copy.deepcopy(source.choice(_ODD))
        return "member more", changed
    for _ in range(source.choice((1, 3, 60))):
        holder[key] = [holder[key]] if source.random() < 0.5 else {"a": holder[key]}
    return "nested", changed


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """What holds each member and element, and its key there."""
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in entries:
        yield value, key
        yield from _places(inner)
