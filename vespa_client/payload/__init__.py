"""What goes into a worker's envelope, and what it is worth. Pure: no socket, no clock, no file."""

from __future__ import annotations

__all__: list[str] = []
