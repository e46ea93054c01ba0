"""The clients' side: sockets, threads, requests and the answers to them.

Open :mod:`.handler` first: a connection's life is there, from a request's head to the relayed answer. :mod:`.proxy_server`
puts the side together and has the thread model.

- coming in: :mod:`.listeners`, :mod:`.threads`, :mod:`.connections`, :mod:`.request_head`, :mod:`.request_body`
- who may ask: :mod:`.access`, which is pure
- going out: :mod:`.relay` (a worker's answer), :mod:`.answer_writer` (framing, errors), :mod:`.heartbeats`
- who is still there: :mod:`.hangup`
- without a worker, or in other words: the folders ``local`` and ``translation``
- the proxy's own pages, below ``/_vespa/``: :mod:`.pages`, a folder; what is kept for them on demand: ``capture``, another

It asks an endpoint of ``routing`` for an answer and knows nothing of how it came about. Others use ``ProxyServer``, and
``METHODS`` of what it serves.
"""

from __future__ import annotations

__all__: list[str] = []
