"""What Vast.ai's account API says (protocol.md, "Console"), and with which key it is asked.

Open :mod:`.lookup` first: an account's endpoints, an endpoint's key. :mod:`.console` is the API itself, :mod:`.endpoint` an
endpoint of its list, :mod:`.account_keys` where account keys come from, :mod:`.endpoint_key` the key in use and its renewal,
:mod:`.endpoint_state` whether an endpoint can have workers at all, :mod:`.fleet` which ones, for who looks at the status page.

It reads key files and asks the console through ``outbound``. Others use ``EndpointKey``, ``EndpointState``, ``Endpoint`` and
the look-ups.
"""

from __future__ import annotations

__all__: list[str] = []
