"""What is kept of what happened: the record of each exchange, and the log.

Open :mod:`.record` first: one an exchange, and the only source of all that is told of it.

- what passes: :mod:`.answer_meter` counts an answer's bytes and events, :mod:`.tokens` finds its tokens
- sums: :mod:`.totals`, made of those of :mod:`.sums`, a folder; :mod:`.route_class` keeps their labels few
- what readers are given: :mod:`.snapshot`, and :mod:`.changes` as they happen
- the log: :mod:`.log` is the logger and its lines, :mod:`.hints` what follows the line of a failure, :mod:`.redaction` blots
  secrets out, :mod:`.printable` makes text from elsewhere safe to show, :mod:`.streams` knows what would hold a writer up

It is only written to: nothing in the proxy behaves by what stands in it.
"""

from __future__ import annotations

__all__: list[str] = []
