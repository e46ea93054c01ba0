"""The life of one request: an assignment, the worker it names, and another one if that can't have run it.

Open :mod:`.exchange` first: every retry at another worker is there. :mod:`.served_endpoint` is what the server asks,
:mod:`.autoscaler` who serves a request and :mod:`.reach` whether it was reached, :mod:`.workers` what is sent to them,
:mod:`.redirects` where their answers may lead, :mod:`.worker_errors` the wordings for a worker that fails,
:mod:`.missing_routes` what is said of a route that it lacks, :mod:`.warmup` what is done ahead of the first request,
:mod:`.cold_start` those that wait, and what the log says of it, :mod:`.endpoint_view` what is told of all this.

It knows no client's socket: a lifeline says whether anybody still waits. Others use ``ServedEndpoint``, its answers
(``WorkerAnswer``), and the wordings.
"""

from __future__ import annotations

__all__: list[str] = []
