"""The program's own log: where it is written to, and what its lines look like there.

Open :mod:`.handlers` first: which lines go where. :mod:`.terminal` is what can be shown on a terminal, :mod:`.terminal_lines`
the lines there, :mod:`.request_line` a request's, :mod:`.live_line` the line while requests are in progress. :mod:`.log_file`
is ``--log-file``, :mod:`.json_lines` one object a line, :mod:`.crowd` the sum where hundreds of requests a second come.

Lines come by the logger alone; a request's has its record with it (``exchange``), from which each format takes what it shows.
"""

from __future__ import annotations

__all__: list[str] = []
