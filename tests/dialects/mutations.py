"""Requests and answers with something odd in them, for property tests."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import strategies as st

__all__ = ["json_values", "mutated"]

_SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8)


def json_values() -> st.SearchStrategy[Any]:
    """Any JSON."""
    return st.recursive(
        _SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    )


_ANYTHING = json_values()


@st.composite
def mutated(draw: st.DrawFn, value: Any) -> Any:
    """``value`` with up to three of its parts put in place of others, left out or made anything."""
    value = copy.deepcopy(value)
    for _ in range(draw(st.integers(0, 3))):
        places = list(_places(value))
        holder, key = places[draw(st.integers(0, len(places) - 1))]
        if draw(st.booleans()):
            other_holder, other_key = places[draw(st.integers(0, len(places) - 1))]
            holder[key] = copy.deepcopy(other_holder[other_key])
        elif draw(st.booleans()) and isinstance(holder, dict) and len(value) > 1:
            del holder[key]
        else:
            holder[key] = draw(_ANYTHING)
        if not list(_places(value)):
            break
    return value


def _places(value: Any) -> Any:
    """Each member and element within the value: what holds it, and its key there."""
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in entries:
        yield value, key
        yield from _places(inner)
