"""The proxy's own pages, below ``/_vespa/``: what it does and what it waits for, for people and for programs.

Open :mod:`.own_pages` first: which path is which page. :mod:`.status` is all there is to see, as JSON of a documented shape,
and :mod:`.events` the same as it happens; :mod:`.answer` is what a page answers. :mod:`.health` is for what starts and watches
programs, :mod:`.metrics` for Prometheus: :mod:`.exposition` writes them down, :mod:`.process_stats` has those of the process.
:mod:`.card` is what a notebook shows.

They read the totals of ``journal`` and the endpoint's view, and ask nobody: no visit makes a /route/ call. Who may visit is
decided before they are asked. Others use ``OwnPages`` and ``Status``.
"""

from __future__ import annotations

__all__: list[str] = []
