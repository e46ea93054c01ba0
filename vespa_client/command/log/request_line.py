"""A request's line on a terminal: aligned, as much as fits, and where the time went first of all."""

from __future__ import annotations

from typing import NamedTuple

from ...journal.printable import printable
from ...journal.record import Record
from .terminal import Terminal

__all__ = ["bytes_shown", "request_line", "seconds_shown", "shortened"]

# A longer method, such as OPTIONS, takes from the path.
_NUMBER, _METHOD, _LONGEST_METHOD = 6, 6, 10
# Where it is narrow, as much as OpenAI's commonest path has.
_PATH_NARROW, _PATH_WIDE, _WIDE = 20, 34, 110
# Below this, a phase is no part of why it took so long; and below this share of it all, it is the first to go.
_TRIFLE = 0.001
_TRIFLING_SHARE = 0.01
_SLOW_WAIT = 1.0


class _Part(NamedTuple):
    """A part of the line. The higher its ``rank``, the sooner it goes where there is no room, after its ``short`` form."""

    text: str
    style: str
    rank: int
    short: str = ""


def request_line(record: Record, terminal: Terminal) -> str:
    """The line, without its end; where something went wrong, a second one says what."""
    width = terminal.width
    method = printable(record.method)[:_LONGEST_METHOD].ljust(_METHOD)
    room = (_PATH_WIDE if width >= _WIDE else _PATH_NARROW) - len(method) + _METHOD
    path = shortened(printable(record.path), room, terminal)
    head = f"{record.name:>{_NUMBER}} {method} {path.ljust(room)} "
    status = str(record.status or "-").ljust(3)
    parts = _that_fit(_parts(record), width - len(head) - len(status) - 2)
    separator = terminal.shown(" · ")
    body = separator.join(terminal.styled(part.text, part.style) for part in parts)
    line = f"{terminal.styled(head, 'dim')}{terminal.styled(status, _style_of(record))}  {body}".rstrip()
    if record.outcome in ("refused", "broken"):
        indent = _NUMBER + 1
        line += "\n" + terminal.styled(terminal.wrapped(" " * indent + printable(record.in_words), indent), _style_of(record))
    return line


def _parts(record: Record) -> list[_Part]:
    seconds = record.seconds
    parts = []
    if record.outcome not in ("whole", "refused", "broken"):
        parts.append(_Part(record.in_words, "yellow", 0))
    if seconds["waiting"] >= _TRIFLE:
        parts.append(_phase(record, "wait", "waiting", 1, "yellow" if seconds["waiting"] > _SLOW_WAIT else ""))
    if seconds["retrying"] >= _TRIFLE or record.retries:
        # Without a retry of its own: for a worker that others had found dead.
        what = f"{len(record.retries)} retried" if record.retries else "retry pause"
        parts.append(_Part(f"{what} {seconds_shown(seconds['retrying'])}", "yellow", 2))
    if seconds["routing"] >= _TRIFLE:
        parts.append(_phase(record, "route", "routing", 6))
    if seconds["connecting"] >= _TRIFLE:
        parts.append(_phase(record, "connect", "connecting", 8))
    is_from_worker = record.worker_first_byte is not None
    if is_from_worker or seconds["first_byte"] >= _TRIFLE:
        parts.append(_phase(record, "first byte", "first_byte", 3))
    if is_from_worker and seconds["streaming"] >= _TRIFLE:
        parts.append(_phase(record, "stream", "streaming", 4))
    if not parts:
        parts.append(_Part(seconds_shown(record.total), "", 0))
    if record.tokens_out is not None:
        speed = record.tokens_per_second
        tokens = f"{'~' if record.tokens_from == 'events' else ''}{record.tokens_out} tok"
        parts.append(_Part(f"{tokens} {speed:.0f}/s", "cyan", 5, tokens) if speed else _Part(tokens, "cyan", 5))
    if record.answer_bytes:
        parts.append(_Part(bytes_shown(record.answer_bytes), "", 9))
    if record.worker:
        parts.append(_Part(printable(record.worker), "dim", 7))
    if record.retries:
        last = record.retries[-1]
        parts.append(_Part(printable(f"{last.worker}: {last.reason}"), "yellow", 10))
    return parts


def _phase(record: Record, label: str, phase: str, rank: int, style: str = "") -> _Part:
    spent = record.seconds[phase]
    is_trifling = spent < record.total * _TRIFLING_SHARE
    return _Part(f"{label} {seconds_shown(spent)}", style, rank + 10 if is_trifling else rank)


def _that_fit(parts: list[_Part], width: int) -> list[_Part]:
    while len(parts) > 1 and sum(len(part.text) + 3 for part in parts) - 3 > width:
        least = max(parts, key=lambda part: part.rank)
        shorter = [least._replace(text=least.short, short="")] if least.short else []
        parts = [kept for part in parts for kept in (shorter if part is least else [part])]
    return parts


def _style_of(record: Record) -> str:
    if record.is_failure:
        return "red"
    return "green" if record.outcome in ("whole", "local") and (record.status or 0) < 400 else "yellow"


def seconds_shown(seconds: float) -> str:
    """A time in as few characters as say it: ``31 ms``, ``12.3 s``, ``4 m 05 s``."""
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 99.95:
        return f"{seconds:.1f} s"
    return f"{seconds // 60:.0f} m {seconds % 60:02.0f} s" if round(seconds % 60) < 60 else f"{seconds // 60 + 1:.0f} m 00 s"


def bytes_shown(count: int) -> str:
    """A size in as few characters as say it: ``512 B``, ``1.2 kB``, ``34 MB``."""
    if count < 1000:
        return f"{count} B"
    size = float(count)
    for unit in ("kB", "MB", "GB"):
        size /= 1000
        if size < 999.5:
            return f"{size:.1f} {unit}" if size < 9.95 else f"{size:.0f} {unit}"
    return f"{size / 1000:.1f} TB"


def shortened(text: str, width: int, terminal: Terminal) -> str:
    """The text, its middle left out where it is too long: a path's end says most."""
    if len(text) <= width:
        return text
    mark = terminal.shown("…")
    kept = width - len(mark)
    return text[: kept // 3] + mark + text[len(text) - (kept - kept // 3) :]
