"""Sockets, as every side of the proxy uses them.

Open :mod:`.timed_socket` and :mod:`.socket_reader` first: how bytes are read and written. :mod:`.dialing` makes connections,
:mod:`.keepalives` tells that a silent one leads nowhere, :mod:`.tcp` knows what the system counts, :mod:`.pollers` hears of
many sockets at once, :mod:`.presence` tells a peer that has gone from one that waits, :mod:`.lifeline` ties work to whoever
waits for it, :mod:`.addresses`, which is pure, says what means this machine. :mod:`.forks` keeps sockets out of children,
:mod:`.real_threads` asks whether this program's are the system's own, :mod:`.own_ports` whether it listens on a port itself.

It knows what a head is from ``http1``, and nothing of requests or of what they are for.
"""

from __future__ import annotations

__all__: list[str] = []
