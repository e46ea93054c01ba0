"""The way of a request in a dialect: its own route first, and chat completions where the worker has none.

Open :mod:`.translator` first: it decides what is translated. :mod:`.routes` says which routes are dialects',
:mod:`.route_memory` remembers what the worker lacks, :mod:`.translated_relay` passes a translated answer on, and
:mod:`.voice` words the proxy's own errors, failures and signs of life as the client's SDK reads them.

The translating itself is ``dialects``', which knows no socket. Others use ``Translator``, ``relay_translated``, ``voice_of``.
"""

from __future__ import annotations

__all__: list[str] = []
