"""OpenAI's Responses API (``POST /v1/responses``) as a dialect.

Open :mod:`.dialect` first. On the way there, :mod:`.request` reads the request, :mod:`.conversation` its input and
:mod:`.toolbox` its tools, with :mod:`.client_tools` for those that OpenAI has a type of its own for and that the client
runs, and :mod:`.custom_input` for free text. On the way back, :mod:`.stream` makes the events, :mod:`.items` what an answer
consists of, :mod:`.logprobs` its probabilities, and :mod:`.echo` what a response repeats of its request; a plain answer is
what a stream of it would have ended in.
"""

from __future__ import annotations

from .dialect import Responses

__all__ = ["Responses"]
