"""What exchanges add up to, each of bounded size: what ``totals`` is made of.

Open :mod:`.tallies` first, the sums by worker and by error. :mod:`.series` is the last 15 minutes, :mod:`.histogram` how long
things took. None of them is safe to share between threads: the lock is that of the totals.
"""

from __future__ import annotations

__all__: list[str] = []
