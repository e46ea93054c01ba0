"""What is kept of what happened: the record of each exchange, and the log.

Open :mod:`.record` first. :mod:`.log` is the logger and its lines, :mod:`.hints` what follows the line of a failure,
:mod:`.redaction` blots secrets out, :mod:`.printable` makes text from elsewhere safe to show, :mod:`.streams` knows what would
hold a writer up.

It is only written to: nothing in the proxy behaves by what stands in it.
"""

from __future__ import annotations

__all__: list[str] = []
