"""Every setting, once: flags, environment names, the library's keywords, the help and the README's table.

Open :mod:`.table` first. :mod:`.setting` is how one is given and checked, :mod:`.values` turns text into values,
:mod:`.keywords` is for type checkers. Beside them, for whoever reads what the settings name: :mod:`.user_files`, and
:mod:`.shells`, by which a hint fits the shell that its reader sits in.

``--help`` has to load it, so that it does without the modules that take long. Others use ``Settings``, ``resolve`` and
``replaced``.
"""

from __future__ import annotations

__all__: list[str] = []
