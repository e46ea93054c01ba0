"""The proxy's own pages, below ``/_vespa/``: what it does and what it waits for, for people and for programs.

Open :mod:`.page_table` first: which path is which page; :mod:`.own_pages` loads it with the first visit. :mod:`.status` is all
there is to see, as JSON of a documented shape, and :mod:`.events` the same as it happens; :mod:`.answer` is what a page
answers. :mod:`.health` is for what starts and watches programs, :mod:`.metrics` for Prometheus: :mod:`.exposition` writes them
down, :mod:`.process_stats` has those of the process. :mod:`.card` is what a notebook shows, :mod:`.assets` the page for people,
whose files lie in ``web/``, :mod:`.captured_pages` what ``--capture`` has kept.

They read the totals of ``journal`` and the endpoint's view. No visit makes a /route/ call. Nobody is asked for anything, but
Vast.ai for the endpoint's workers, with an account key, while somebody looks at them. Who may visit is decided before.
Others use ``OwnPages`` and ``Status``.
"""

from __future__ import annotations

__all__: list[str] = []
