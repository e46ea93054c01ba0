"""Sockets, as every side of the proxy uses them.

Open :mod:`.timed_socket` and :mod:`.socket_reader` first: how bytes are read and written. :mod:`.tcp` makes connections and
knows what the system counts, :mod:`.pollers` hears of many sockets at once, :mod:`.presence` tells a peer that has gone from
one that waits, :mod:`.lifeline` ties work to whoever waits for it, :mod:`.addresses`, which is pure, says what means this
machine.

It knows what a head is from ``http1``, and nothing of requests or of what they are for.
"""

from __future__ import annotations

__all__: list[str] = []
