"""A request's members, read by name and kind. What is wrong is said with the path of the member that is."""

from __future__ import annotations

from typing import Any

from ..errors import Untranslatable
from .json_text import load

__all__ = ["Fields", "read_request"]


def read_request(body: bytes | bytearray) -> Fields:
    """The request's members. Raises :class:`Untranslatable` where it isn't a JSON object."""
    try:
        value = load(body)
    except ValueError as wrong:
        raise Untranslatable(f"The request's body is no JSON: {wrong}.", hint="Send a JSON object.") from None
    if not isinstance(value, dict):
        raise Untranslatable(f"The request's body is {_kind(value)}.", hint="Send a JSON object.")
    return Fields(value)


class Fields:
    """A JSON object of a request. A member that is null reads like one that isn't there.

    Everything that reads raises :class:`Untranslatable` where the member is of another kind.
    """

    __slots__ = ("members", "path")

    def __init__(self, members: dict[str, Any], path: str = "") -> None:
        self.members = members
        self.path = path

    def __contains__(self, name: str) -> bool:
        return self.members.get(name) is not None

    def where(self, name: str) -> str:
        """The member's path: ``input[3].content``."""
        return f"{self.path}.{name}" if self.path else name

    def any(self, name: str) -> Any:
        """The member, whatever it is."""
        return self.members.get(name)

    def text(self, name: str) -> str | None:
        """A text."""
        value = self.members.get(name)
        if value is not None and not isinstance(value, str):
            raise self.wrong(name, "a text")
        return value

    def needed_text(self, name: str) -> str:
        """A text that has to be there."""
        value = self.text(name)
        if value is None:
            raise self.missing(name)
        return value

    def number(self, name: str) -> int | float | None:
        """A number."""
        value = self.members.get(name)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
            raise self.wrong(name, "a number")
        return value

    def integer(self, name: str) -> int | None:
        """A number without a fraction."""
        value = self.number(name)
        if isinstance(value, float):
            if not value.is_integer():
                raise self.wrong(name, "a whole number")
            return int(value)
        return value

    def flag(self, name: str) -> bool | None:
        """True or false."""
        value = self.members.get(name)
        if value is not None and not isinstance(value, bool):
            raise self.wrong(name, "true or false")
        return value

    def object(self, name: str) -> Fields | None:
        """An object."""
        value = self.members.get(name)
        if value is None:
            return None
        if not isinstance(value, dict):
            raise self.wrong(name, "an object")
        return Fields(value, self.where(name))

    def needed_object(self, name: str) -> Fields:
        """An object that has to be there."""
        value = self.object(name)
        if value is None:
            raise self.missing(name)
        return value

    def array(self, name: str) -> list[Any]:
        """A list of anything; an empty one where there is none."""
        value = self.members.get(name)
        if value is not None and not isinstance(value, list):
            raise self.wrong(name, "a list")
        return value or []

    def objects(self, name: str) -> list[Fields]:
        """A list of objects; an empty one where there is none."""
        values = self.array(name)
        for index, value in enumerate(values):
            if not isinstance(value, dict):
                where = f"{self.where(name)}[{index}]"
                raise Untranslatable(f"{where} is {_kind(value)}: it has to be an object.", param=where)
        return [Fields(value, f"{self.where(name)}[{index}]") for index, value in enumerate(values)]

    def texts(self, name: str) -> list[str]:
        """A list of texts; an empty one where there is none."""
        values = self.array(name)
        if not all(isinstance(value, str) for value in values):
            raise self.wrong(name, "a list of texts")
        return values

    def wrong(self, name: str, wanted: str) -> Untranslatable:
        """The error for a member of another kind than the one that is wanted."""
        where = self.where(name)
        return Untranslatable(f"{where} is {_kind(self.members.get(name))}: it has to be {wanted}.", param=where)

    def missing(self, name: str) -> Untranslatable:
        """The error for a member that has to be there."""
        where = self.where(name)
        return Untranslatable(f"{where} is missing.", param=where)

    def refused(self, name: str, why: str, hint: str = "") -> Untranslatable:
        """The error for a member that can't be carried over. ``why`` goes on behind its path."""
        where = self.where(name)
        return Untranslatable(f"{where} {why}", param=where, hint=hint)


def _kind(value: object) -> str:
    names = {
        type(None): "null",
        bool: "true or false",
        int: "a number",
        float: "a number",
        str: "a text",
        list: "a list",
    }
    return names.get(type(value), "an object")
