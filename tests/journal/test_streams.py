"""Which streams take what is written to them at once."""

from __future__ import annotations

import io
import os
from pathlib import Path

from vespa_client.journal.streams import has_room, is_on_disk


def test_a_file_always_takes_what_is_written(tmp_path: Path) -> None:
    with (tmp_path / "log").open("w") as file:
        assert is_on_disk(file)
        assert has_room(file)
    assert not is_on_disk(file), "it is closed"


def test_a_pipe_takes_what_it_has_room_for() -> None:
    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as pipe, os.fdopen(reading, "rb"):
        assert not is_on_disk(pipe)
        assert has_room(pipe)
        os.set_blocking(writing, False)
        while has_room(pipe):
            os.write(writing, bytes(4096))
        assert not has_room(pipe)


def test_what_is_no_file_takes_what_is_written_and_is_not_on_disk() -> None:
    assert has_room(io.StringIO())
    assert not is_on_disk(io.StringIO())
    assert not is_on_disk(None)
