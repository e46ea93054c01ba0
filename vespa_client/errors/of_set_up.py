"""What is wrong with a setting, a key file or a port."""

from __future__ import annotations

from .error import VespaError

__all__ = ["ConfigurationError", "KeyFileUnusable", "PortTaken"]


class ConfigurationError(VespaError):
    """A setting is missing, or has a value that can't work."""

    code = "configuration_error"


class KeyFileUnusable(VespaError):
    """A key file is there, and can't be used."""

    code = "key_file_unusable"


class PortTaken(ConfigurationError):
    """The port to listen on is taken."""

    code = "port_taken"

    def __init__(self, message: str, *, port: int = 0, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.port = port
