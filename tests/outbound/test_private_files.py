"""Files of ours: for nobody else's eyes, on nobody else's word, and never half of one."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from vespa_client.outbound.private_files import read_private, write_private

pytestmark = pytest.mark.skipif(os.name != "posix", reason="Windows has no modes of files")


@pytest.fixture(autouse=True)
def careless_user() -> Iterator[None]:
    """One whose files are everybody's, unless somebody sees to it."""
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file of ours, written."""
    path = tmp_path / "cache" / "ours" / "file"
    write_private(path, b"first")
    return path


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_file_and_each_directory_made_for_it_are_the_users_alone(file: Path) -> None:
    assert (mode(file), mode(file.parent), mode(file.parent.parent)) == (0o600, 0o700, 0o700)
    assert read_private(file) == b"first"


def test_what_was_there_is_replaced_at_once_and_its_readers_keep_what_they_had(file: Path) -> None:
    with file.open("rb") as reader:
        write_private(file, b"second")
        assert (reader.read(), read_private(file)) == (b"first", b"second")
    assert list(file.parent.iterdir()) == [file]


def test_a_link_in_the_files_place_is_replaced_and_not_followed(file: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_bytes(b"somebody's")
    file.unlink()
    file.symlink_to(elsewhere)
    with pytest.raises(OSError):
        read_private(file)
    write_private(file, b"ours")
    assert (elsewhere.read_bytes(), read_private(file)) == (b"somebody's", b"ours")


def test_not_even_a_link_to_a_file_of_ours_is_read(file: Path) -> None:
    own = file.with_name("own")
    write_private(own, b"ours")
    file.unlink()
    file.symlink_to(own)
    with pytest.raises(OSError):
        read_private(file)
    assert read_private(own) == b"ours"


def test_a_directory_that_is_a_link_is_neither_read_nor_written(file: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(file.parent)
    with pytest.raises(PermissionError):
        read_private(link / "file")
    with pytest.raises(PermissionError):
        write_private(link / "file", b"second")
    assert read_private(file) == b"first"


@pytest.mark.parametrize("others", [0o620, 0o602])
def test_what_others_may_write_is_not_read(file: Path, others: int) -> None:
    file.chmod(others)
    with pytest.raises(PermissionError):
        read_private(file)
    file.chmod(0o600)
    file.parent.chmod(0o700 | others)
    with pytest.raises(PermissionError):
        read_private(file)
    with pytest.raises(PermissionError):
        write_private(file, b"second")


def test_what_belongs_to_somebody_else_is_not_read(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    somebody = os.geteuid() + 1
    monkeypatch.setattr("os.geteuid", lambda: somebody)
    with pytest.raises(PermissionError):
        read_private(file)


def test_a_pipe_in_the_files_place_is_not_waited_on(file: Path) -> None:
    file.unlink()
    os.mkfifo(file)
    with pytest.raises(PermissionError):
        read_private(file)


def test_a_failure_leaves_the_old_file_and_no_other(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Path, target: Path) -> Path:
        raise OSError("no space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match="no space"):
        write_private(file, b"second")
    assert list(file.parent.iterdir()) == [file]
    assert read_private(file) == b"first"
