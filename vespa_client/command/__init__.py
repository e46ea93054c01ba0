"""The command line: the only folder that prints, and the only one that exits.

Open :mod:`.cli` first: ``main`` says what happens, from the arguments to the exit code. :mod:`.arguments` has the flags and
the help, :mod:`.prompts` the questions of the interactive set-up and :mod:`.next_time` what spares them, :mod:`.ports` who
holds a port, :mod:`.screen` what is shown, :mod:`.process` what is done to this process (streams, signals, limits),
:mod:`.own_arguments` the list of processes; :mod:`.log`, a folder, is its log.

It may import everything; nothing imports it but ``python -m vespa_client`` and the installed command. ``--help`` waits for
nothing: what a command needs beyond its arguments is imported by that command.
"""

from __future__ import annotations

__all__: list[str] = []
