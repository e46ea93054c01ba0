"""A whole Vast.ai on loopback: for ``--sandbox``, and for the tests. Standard library only; see :class:`Sandbox`.

::

    client ──► the proxy ──► console       the account's endpoints and their keys
                        ├──► autoscaler    signed assignments
                        └──► worker ──► model, or a server of your own
"""

from .component import Component
from .console import Endpoint
from .messages import Answer, ClientGone, HangUp, Request
from .sandbox import ENDPOINTS, Sandbox
from .scenario.course import SCENARIOS
from .speech.script import ScriptError

__all__ = [
    "ENDPOINTS",
    "SCENARIOS",
    "Answer",
    "ClientGone",
    "Component",
    "Endpoint",
    "HangUp",
    "Request",
    "Sandbox",
    "ScriptError",
]
