"""The programs that people point at the proxy, each as its own users write it, through the official worker.

That worker serves chat completions and completions alone, so that what speaks another dialect is translated. A test with
the marker ``client(name)`` is in that client's row of the README's table, under the column that follows ``test_`` in its
name: ``plain``, ``streamed``, ``tools``, ``error``, ``cancel`` or ``models``. ``python -m tests.support.clients`` runs them
and writes the table.
"""
