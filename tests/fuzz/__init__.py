"""Odd bytes by the thousand for ``python -m vespa_client``, from its clients and from the far side, and what it makes of them.

What must be, whatever comes:

- Of a client's bytes, upstream comes what is a request by the RFCs and by the rules on who may ask: as it was sent, once,
  each with an assignment of its own, in its order, and without a byte of another one. Nothing of what is no request comes
  there, and nothing behind it; a request that is right is served.
- A client gets one answer a request, its own: a worker's as it stands, or an error of the proxy's own. What is no request
  gets an error, and the end of the connection, in good order.
- What an upstream sends is passed on where it is an answer by the RFCs; where it is none, it is a 502. Half an answer never
  looks whole, no header and no second answer comes out of one, what comes behind an answer is nobody's, and what may have
  run isn't sent again.
- What is asked in another dialect than the worker's is answered in it: an error in its shape, a stream that is whole or says
  that it breaks off, and never half an answer that looks whole.
- No traceback, no thread, no socket and no memory is left, nothing hangs, and a plain request is served behind it all.

Where the RFCs leave a choice, either will do. Each case is drawn by the seed and its number, which is all it takes to play
it again. What a case's bytes are is judged from the bytes alone, by modules that know nothing of ``vespa_client``:
:mod:`.heads` (the grammar), :mod:`.oracle` with :mod:`.targets`, :mod:`.access` and :mod:`.payload` (a client's), and
:mod:`.answer_oracle` with :mod:`.assignment` (an upstream's).

Drawn by :mod:`.tokens`, :mod:`.mutations`, :mod:`.oddities`, :mod:`.odd_headers`, :mod:`.odd_assignments`,
:mod:`.json_mutations`, :mod:`.splitting`, :mod:`.request_case`, :mod:`.answer_case` and :mod:`.dialect_case`, with
:mod:`.marks` and :mod:`.echo` to tell by whose they are; played by :mod:`.conversation` (a client), :mod:`.upstream`,
:mod:`.arrival`, :mod:`.stage` and :mod:`.lanes` (the far side) and :mod:`.proxy`; judged by :mod:`.seen`,
:mod:`.request_judge`, :mod:`.answer_judge` and :mod:`.dialect_judge`; told by :mod:`.finding`, :mod:`.known` and
:mod:`.report`; and all of it together is :mod:`.fuzz`.
"""
