"""A client as a notebook shows it: a small card, right for the moment at which it is shown. Pure."""

from __future__ import annotations

from html import escape

from .status import Status

__all__ = ["card_of", "card_of_a_stopped"]

_FRAME = "font:13px/1.5 system-ui,sans-serif;border:1px solid #8886;border-radius:8px;padding:8px 12px;display:inline-block"
# Of the dot alone, on white and on black; what is to be read has the notebook's own colour.
_COLOURS = {"ready": "#1a7f37", "waiting": "#9a6700", "in trouble": "#cf222e", "stopped": "#6e7781"}


def card_of(status: Status, url: str) -> str:
    """The card of a client that runs: its address, its endpoint, what it does and did."""
    totals = status.totals
    counts = [
        _counted(totals.requests, "request"),
        f"{totals.failures} failed",
        f"{len(status.in_progress)} in progress",
        f"{_counted(totals.tokens_out, 'token')} out",
    ]
    state, why = _state(status)
    pages = escape(f"{url}/_vespa/", quote=True)
    named = status.endpoint.name + (f" ({status.endpoint.state})" if status.endpoint.state else "")
    return _card(
        state,
        f'<a href="{pages}" target="_blank" rel="noopener">{escape(url)}</a> → {escape(named)}',
        " · ".join([*filter(None, [why]), *counts]),
    )


def card_of_a_stopped(endpoint_name: str | None) -> str:
    """The card of a client that doesn't run."""
    return _card("stopped", escape(endpoint_name or "no endpoint yet"), "start() starts it")


def _state(status: Status) -> tuple[str, str]:
    endpoint = status.endpoint
    if not endpoint.key.good:
        return "in trouble", f"the key is refused: {endpoint.key.trouble}"
    if endpoint.autoscaler.reached is False:
        return "in trouble", f"the autoscaler can't be reached: {endpoint.autoscaler.trouble}"
    if status.waiting.count:
        waits = "waits" if status.waiting.count == 1 else "wait"
        return "waiting", f"{_counted(status.waiting.count, 'request')} {waits} for a worker: {status.waiting.said}"
    return "ready", ""


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _card(state: str, title: str, below: str) -> str:
    badge = f'<span style="color:{_COLOURS[state]}" aria-hidden="true">●</span> {state}'
    return f'<div style="{_FRAME}"><b>Vespa Client</b> {badge}<br>{title}<br><small>{escape(below)}</small></div>'
