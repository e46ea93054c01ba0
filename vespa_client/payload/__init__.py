"""What goes into the envelope (protocol.md, "Workers"). Pure: bytes in, bytes out.

Open :mod:`.worker_request` first: what a worker is to be asked. :mod:`.json_body` sees that a body is JSON, with
:mod:`.json_walk` for dense ones and :mod:`.json_hints` for those that aren't; :mod:`.envelope` wraps and signs; :mod:`.cost`
reads the workload, :mod:`.cost_estimate` estimates it. A form with files becomes JSON in :mod:`.upload`, on the routes of
:mod:`.upload_routes`, by :mod:`.multipart`, :mod:`.form` and :mod:`.media`.

It knows no socket, no clock and no file. Others use ``WorkerRequest`` and the envelope's functions.
"""

from __future__ import annotations

__all__: list[str] = []
