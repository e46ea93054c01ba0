"""Hints in the log: what a person can do about a request that failed, where the person looks."""

from __future__ import annotations

import logging
import threading

from .log import log
from .record import Record

__all__ = ["Hints"]


class Hints:
    """Those of one proxy. A run of requests that fail alike has one hint, behind the first of them. Safe between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()  # guards the next
        self._shown = ""

    def after(self, record: Record) -> None:
        """The request's line is in the log: its hint follows, if it isn't that of the failures before."""
        hint = record.hint
        if not hint and not (record.outcome == "whole" and record.worker):
            return  # what no worker answered, such as a page's preflight, ends no run
        if hint == self._shown:
            return
        with self._lock:
            is_new, self._shown = hint != self._shown, hint
        if is_new and hint:
            # As loud as the line that it follows.
            log.log(logging.WARNING if record.is_failure else logging.INFO, "%s HINT: %s", record.name, hint)
