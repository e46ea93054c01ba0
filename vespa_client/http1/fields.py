"""Header fields: ``(name, value)`` pairs in the order they came, with the case they had.

Text is Latin-1, so that every byte survives the round trip.
"""

from __future__ import annotations

from collections.abc import Sequence, Set

__all__ = ["Fields", "ReceivedFields", "field_value", "has_any", "list_items", "values_of"]

Fields = list[tuple[str, str]]


class ReceivedFields(Fields):
    """A head's fields as they came, not to be changed: ``by_name`` has each name's values, the names in lower case."""

    __slots__ = ("by_name",)

    def __init__(self, fields: Fields) -> None:
        super().__init__(fields)
        self.by_name: dict[str, list[str]] = {name.lower(): [value] for name, value in fields}
        if len(self.by_name) < len(fields):
            self.by_name = {}
            for name, value in fields:
                self.by_name.setdefault(name.lower(), []).append(value)


def values_of(fields: Fields, name: str) -> Sequence[str]:
    """Each value of that name (in lower case), in their order."""
    if isinstance(fields, ReceivedFields):
        return fields.by_name.get(name, ())
    return [value for field, value in fields if field.lower() == name]


def list_items(fields: Fields, name: str) -> list[str]:
    """The members of a comma-separated header, over all its lines (RFC 9110, 5.6.1). ``name`` is in lower case."""
    values = values_of(fields, name)
    if not values:
        return []
    return [item for value in values for part in value.split(",") if (item := part.strip(" \t"))]


def has_any(fields: Fields, names: Set[str]) -> bool:
    """Whether one of these names (in lower case) is there."""
    if isinstance(fields, ReceivedFields):
        return not names.isdisjoint(fields.by_name)
    return any(name.lower() in names for name, _ in fields)


def field_value(fields: Fields, name: str) -> str:
    """The first value of that name (in lower case), or an empty string."""
    values = fields.by_name.get(name) if isinstance(fields, ReceivedFields) else values_of(fields, name)
    return values[0] if values else ""
