"""OpenAI's Responses API (``POST /v1/responses``) as a dialect.

``dialect`` is the file to open first. On the way there, ``request`` reads the request, ``conversation`` its input and
``toolbox`` its tools, with ``client_tools`` for those that OpenAI has a type of its own for and that the client runs. On the
way back, ``stream`` makes the events, ``items`` what an answer consists of, and ``echo`` what a response repeats of its
request; a plain answer is what a stream of it would have ended in.
"""

from __future__ import annotations

from .dialect import Responses

__all__ = ["Responses"]
