"""What may have happened to a body that is not JSON, by the shell that it was typed into. Pure."""

from __future__ import annotations

import re

__all__ = ["hint_for"]

_FILE = "put the JSON into a file, and send that with -d @body.json"
# Each looks at what stands where the JSON ends to be any. The text is the body, each byte a character.
_LOST_QUOTES = re.compile(r"[A-Za-z_][\w.-]*\s*[:,}\]]|\\\"")
_QUOTES_OF_OFFICES = ("\xe2\x80\x9c", "\xe2\x80\x9d", "\xe2\x80\x98", "\xe2\x80\x99", "\xc2\xab", "\xc2\xbb")
_LITERALS = re.compile(r"(None|True|False)\b")


def hint_for(text: str, position: int) -> str:
    """What to do about it, for whoever typed the body. ``position`` is where it stops being JSON."""
    rest = text[position : position + 100]
    if position == 0 and rest.startswith("'"):
        return f"The body came with single quotes around it: cmd.exe knows none. There, {_FILE}."
    if rest.startswith(_QUOTES_OF_OFFICES):
        return "The quotes there are typographic ones, as text programs make them: type them anew."
    if rest.startswith("'"):
        return "These are single quotes, and JSON takes double ones alone."
    if rest.startswith("@"):
        return "A file's name came, and not what is in it: curl -d @body.json sends that. PowerShell wants it in quotes."
    if _LITERALS.match(rest):
        return "JSON writes null, true and false; Python's json.dumps() does so."
    if _LOST_QUOTES.match(rest):
        return f"A shell has taken the double quotes away, or left a backslash before them. Where that is so, {_FILE}."
    if position == 0 and re.match(r"[\w.-]+=", rest):
        return "This is a form; send a JSON object."
    return f"Check quotes and commas there. Where a shell may have changed it, {_FILE}."
