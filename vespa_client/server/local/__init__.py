"""What the proxy answers itself, so that no probe wakes a worker: SDKs, agents, apps and browsers ask a lot at their start.

Open :mod:`.answers` first: its table says which request is answered how. :mod:`.answer` is what such an answer is,
:mod:`.models` which models there are, :mod:`.landing` what is at ``/``, :mod:`.unsupported` the routes that can't work through
a signed JSON envelope, :mod:`.base_url` mends a base URL that lacks ``/v1`` or has it twice.

Nothing here asks the autoscaler or opens a socket. Others use ``LocalAnswers``, ``KnownModels`` and ``mended``.
"""

from __future__ import annotations

__all__: list[str] = []
