"""Hours of a proxy's life in minutes: mixed traffic through ``python -m vespa_client`` while everything behind it fails.

What a client may see, by the design's rules. One that stays to the end sees one of these, or its request was lost:

- its worker's answer, whole, also where that is a 404, a 500, or a gateway's 502 or 504;
- a visible break (an ``error`` event before it, on an event stream), if the worker broke that answer off or died in it;
- a 502 that calls the worker's answer broken, if the worker had taken the request and hung up, answered what is no HTTP,
  or died; or if it closed a kept connection in the moment the request arrived there;
- a 502 or 504 that calls workers unreachable, or a worker's own 429 or 503, if each of the four workers that the
  autoscaler named was dead, unreachable, or turned the request away.

The autoscaler's troubles and changed keys are no excuse: they pass within ``--wait``. A client that leaves is owed nothing
but that its generation ends within 200 ms; the time for which this machine itself was late by a clock is not counted.

Modules: :mod:`.plan` (what a request is), :mod:`.ledger` (what became of it), :mod:`.client`, :mod:`.worker`, :mod:`.fleet`,
:mod:`.autoscaler`, :mod:`.weather` (what goes wrong), :mod:`.proxy` (the process, and what it holds), :mod:`.metronome`
(how late this machine is), :mod:`.verdict` (the rules above), :mod:`.table`, and :mod:`.soak` (all of it together).
"""
