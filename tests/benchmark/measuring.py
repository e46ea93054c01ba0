"""The measuring client, in a process of its own: a job comes on standard input, what was measured goes to standard output."""

from __future__ import annotations

import gc
import json
import sys
from collections.abc import Callable
from typing import Any

from .bulk import measure_download, measure_upload
from .busy import measure_busy, measure_new_connections
from .far import Places, measure_far
from .files import raise_file_limit
from .measured import Effort, Failed, Measured
from .streams import measure_one_stream, measure_streams
from .unary import measure_unary
from .way import Way

__all__ = ["measure"]

_NEAR: dict[str, Callable[[Way, Way, Effort], Measured]] = {
    "unary1": measure_unary,
    "busy32": lambda way, direct, effort: measure_busy(way, 32, effort),
    "busy256": lambda way, direct, effort: measure_busy(way, 256, effort),
    "connect64": lambda way, direct, effort: measure_new_connections(way, 64, effort),
    "stream1": measure_one_stream,
    "streams50": lambda way, direct, effort: measure_streams(way, 50, 20.0, effort.streams_seconds),
    "streams200": lambda way, direct, effort: measure_streams(way, 200, 10.0, effort.streams_seconds),
    "streams1000": lambda way, direct, effort: measure_streams(way, 1000, 1.0, 2 * effort.streams_seconds),
    "upload": measure_upload,
    "download": measure_download,
}


def measure(job: dict[str, Any]) -> Measured:
    """Do a job. Raises :class:`Failed`."""
    way, direct, effort = Way(**job["way"]), Way(**job["direct"]), Effort(**job["effort"])
    if job["places"] is not None:
        return measure_far(way, Places(**job["places"]), effort)
    return _NEAR[job["measure"]](way, direct, effort)


def main() -> None:
    """Measure, and tell."""
    job = json.load(sys.stdin)
    raise_file_limit()
    # A collection in the middle of it would be measured too.
    gc.disable()
    try:
        answer: dict[str, Any] = {"measured": measure(job).to_json()}
    except Failed as problem:
        answer = {"failed": str(problem)}
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    main()
