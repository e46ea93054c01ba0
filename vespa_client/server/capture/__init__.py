"""``--capture N``: the last exchanges with their bodies, in memory alone, for who looks at what an app and a model really say.

Open :mod:`.captured` first: what is kept, and when. :mod:`.summary` is one as a line of a list; :mod:`.har` and :mod:`.curl`
say it in forms that other programs take, for which :mod:`.text` tells text from other bytes. :mod:`.secrets` leaves out of all
of them what could be somebody's key.

What a client sent and was given is kept, and not what went to the worker. Others use ``Captures``.
"""

from __future__ import annotations

__all__: list[str] = []
