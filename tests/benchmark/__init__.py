"""What the proxy costs: measured beside the direct path, and beside whatever else is to be compared, in interleaved rounds.

Everything runs on loopback against a stand-in for Vast.ai, each part in a process of its own: the stand-in, the proxies, the
client that measures, and for the far-away measures a relay that keeps all bytes back. A proxy's cost is the processor time
of its process over the work, which holds on a noisy machine; latencies and rates stand beside those of the direct path,
measured in the same round. Whatever goes wrong is counted, and shown with the figures.

Modules: :mod:`.figures` (which measures and figures there are, and the goals), :mod:`.upstream` (the stand-in),
:mod:`.relay`; the client's side, :mod:`.measuring`, with :mod:`.unary`, :mod:`.busy` (by :mod:`.load`), :mod:`.streams`,
:mod:`.bulk`, :mod:`.far` and what they share, :mod:`.way`, :mod:`.messages`, :mod:`.client`, :mod:`.footprint`, :mod:`.files`
and :mod:`.measured`; what is started, :mod:`.targets`, :mod:`.programs`, :mod:`.proxy`, :mod:`.start`, :mod:`.certificate`;
what becomes of the figures, :mod:`.results`, :mod:`.judgement`, :mod:`.comparison`, :mod:`.table`; :mod:`.machine`, and
:mod:`.benchmark` (all of it together).
"""
