"""Traces: each exchange as a span of OpenTelemetry's, for those who collect them. An optional extra, off unless asked for.

Open :mod:`.switch` first: what of the environment turns it on, and what is said where it can't be. Then, in the order of an
exchange: :mod:`.timeline` hears when its phases begin, :mod:`.conventions` has the words for what its record says,
:mod:`.spans` makes spans of both, :mod:`.export` sends them.

It reads records, as all do that tell of exchanges, and changes nothing. The last two alone import OpenTelemetry, and nobody
imports them before the switch is on. Others use ``trace_exchanges``.
"""

from __future__ import annotations

__all__: list[str] = []
