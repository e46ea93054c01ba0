"""A text that a regular expression allows: the simple cases of the patterns in JSON schemas. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable

__all__ = ["sample_pattern"]

_CLASSES = {"d": "0123456789", "w": "abcdefghijklmnopqrstuvwxyz0123456789_", "s": " "}
_CONTROLS = {"n": "\n", "r": "\r", "t": "\t", "f": "\f", "v": "\v", "0": "\0"}
_PRINTABLE = "".join(map(chr, range(0x20, 0x7F)))
# The order in which a class is looked through: what reads well comes first.
_PREFERRED = sorted(_PRINTABLE, key=lambda sign: (not sign.isalpha(), not sign.isdigit(), sign.isupper(), sign))
_LONGEST = 4096


def sample_pattern(pattern: str, at_least: int = 0, at_most: int | None = None) -> str:
    """A text in which ``pattern`` (of ECMA 262, as JSON schemas have them) is found, of ``at_least`` to ``at_most`` letters.

    Literals, classes, groups, alternatives and repetitions are understood. ValueError for a pattern with more than that
    (a look-around that counts, a back-reference), and where no text of that length was found.
    """
    try:
        judge = re.compile(pattern)
    except (re.error, OverflowError):
        raise ValueError("the pattern is no regular expression that is understood") from None
    if at_least > _LONGEST:
        raise ValueError("too long a text is asked for")
    shortest = _Walk(pattern, 0).text()
    # What may be repeated is repeated until the text is long enough, once more at a time.
    text, extra = shortest, 0
    while True:
        if at_least <= len(text) and (at_most is None or len(text) <= at_most) and judge.search(text):
            return text
        before, extra = text, extra + 1
        text = _Walk(pattern, extra).text()
        if len(text) <= len(before) or len(before) >= at_least:
            break
    padded = shortest.ljust(at_least, "a")
    if not pattern.endswith("$") and judge.search(padded) and (at_most is None or len(padded) <= at_most):
        return padded
    raise ValueError("no text was found that the pattern allows")


class _Walk:
    """One way through the pattern. ``extra``: how much oftener than it must the first repetition without an end is taken."""

    def __init__(self, pattern: str, extra: int) -> None:
        self._pattern = pattern
        self._extra = extra
        self._at = 0

    def text(self) -> str:
        found = self._alternatives()()
        if self._at < len(self._pattern):
            raise ValueError("the pattern has a bracket too many")
        return found

    def _next(self) -> str:
        return self._pattern[self._at : self._at + 1]

    def _take(self, wanted: str) -> bool:
        taken = self._pattern.startswith(wanted, self._at)
        if taken:
            self._at += len(wanted)
        return taken

    def _alternatives(self) -> Callable[[], str]:
        first = self._sequence()
        while self._take("|"):
            self._sequence()
        return first

    def _sequence(self) -> Callable[[], str]:
        atoms: list[tuple[Callable[[], str], int, bool]] = []
        while (sign := self._next()) and sign not in "|)":
            atom = self._atom()
            atoms.append((atom, *self._repetition()))

        def write() -> str:
            pieces: list[str] = []
            length = 0
            for atom, times, endless in atoms:
                if endless and self._extra:
                    times, self._extra = times + self._extra, 0
                for _ in range(times):
                    pieces.append(atom())
                    length += len(pieces[-1])
                    if length > _LONGEST:
                        raise ValueError("the pattern asks for too long a text")
            return "".join(pieces)

        return write

    def _repetition(self) -> tuple[int, bool]:
        """How often what came before has to be there, and whether it may be there oftener without an end."""
        times, endless = 1, False
        if self._take("*"):
            times, endless = 0, True
        elif self._take("+"):
            endless = True
        elif self._take("?"):
            times = 0
        elif match := re.compile(r"\{(\d+)(,?)(\d*)\}").match(self._pattern, self._at):
            self._at = match.end()
            times, endless = min(int(match[1]), _LONGEST + 1), bool(match[2]) and not match[3]
            if match[3] and self._extra:
                more = min(self._extra, int(match[3]) - times)
                self._extra -= more
                times += more
        else:
            return 1, False
        if not self._take("?"):
            self._take("+")
        return times, endless

    def _atom(self) -> Callable[[], str]:
        sign = self._next()
        self._at += 1
        if sign in "^$":
            return str
        if sign == "(":
            return self._group()
        if sign == "[":
            chosen = self._class()
        elif sign == "\\":
            if self._next() in ("b", "B", "A", "Z"):
                self._at += 1
                return str
            chosen = self._escape()
        else:
            chosen = "a" if sign == "." else sign
        letter = next((one for one in _PREFERRED if one in chosen), chosen[0])
        return lambda: letter

    def _group(self) -> Callable[[], str]:
        silent = self._take("?=") or self._take("?!") or self._take("?<=") or self._take("?<!")
        if not silent and not self._take("?:") and self._take("?"):
            self._at = self._pattern.find(">", self._at) + 1 or len(self._pattern)
        inner = self._alternatives()
        if not self._take(")"):
            raise ValueError("the pattern has a bracket without an end")
        return str if silent else inner

    def _class(self) -> str:
        negated = self._take("^")
        members = ""
        while not self._take("]") or not members:
            if self._at >= len(self._pattern):
                raise ValueError("the pattern has a class without an end")
            one = self._member()
            if self._next() == "-" and self._pattern[self._at + 1 : self._at + 2] not in ("]", ""):
                self._at += 1
                last = self._member()
                one = "".join(map(chr, range(ord(one[0]), min(ord(last[-1]), ord(one[0]) + 1000) + 1)))
            members += one
        if not negated:
            return members
        left = "".join(sign for sign in _PRINTABLE if sign not in members)
        if not left:
            raise ValueError("the pattern has a class that no plain letter is in")
        return left

    def _member(self) -> str:
        self._at += 1
        return self._escape() if self._pattern[self._at - 1] == "\\" else self._pattern[self._at - 1]

    def _escape(self) -> str:
        sign = self._next()
        self._at += 1
        if sign.lower() in _CLASSES:
            members = _CLASSES[sign.lower()]
            return members if sign.islower() else "".join(one for one in _PRINTABLE if one.lower() not in members)
        digits = {"x": 2, "u": 4}.get(sign)
        if digits:
            self._at += digits
            return chr(int(self._pattern[self._at - digits : self._at], 16))
        if sign.isdigit() and sign != "0":
            raise ValueError("the pattern refers back to a group")
        return _CONTROLS.get(sign, sign)
