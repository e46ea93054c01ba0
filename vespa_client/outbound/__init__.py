"""Connections to Vast.ai and its workers, over requests and urllib3, with the bytes in our hands.

Open :mod:`.transport` first: one request to one host. Below it, in the order of a call: :mod:`.call` (what is asked, and for
how long), :mod:`.pool` and :mod:`.idle` (which connection), :mod:`.connection` (how it is made, written and read),
:mod:`.answer` and :mod:`.pacing` (what comes back), :mod:`.failures` (how far it had come). Beside them: :mod:`.proxies`,
:mod:`.trust` and its :mod:`.private_files`; :mod:`.session`, for a library that wants one of requests.

The only folder that imports requests and urllib3's pools. Others use ``Transport``, ``OutboundRequest``, ``TimeLimits``,
``Answer`` and the failures.
"""

from __future__ import annotations

__all__ = ["HOOKS"]

HOOKS = """
    requests.Session.send
    requests.adapters.HTTPAdapter.init_poolmanager
    requests.adapters.HTTPAdapter.proxy_manager_for
    requests.adapters.HTTPAdapter.proxy_headers
    requests.adapters.HTTPAdapter.get_connection_with_tls_context
    requests.adapters.HTTPAdapter.request_url
    requests.adapters.HTTPAdapter.cert_verify
    requests.adapters.HTTPAdapter.build_response
    requests.adapters.TimeoutSauce
    requests.utils.DEFAULT_CA_BUNDLE_PATH
    urllib3.PoolManager.pool_classes_by_scheme
    urllib3.PoolManager.connection_from_host
    urllib3.HTTPConnectionPool.ConnectionCls
    urllib3.HTTPConnectionPool.QueueCls
    urllib3.HTTPConnectionPool.urlopen
    urllib3.HTTPConnectionPool._new_conn
    urllib3.HTTPConnectionPool._put_conn
    urllib3.HTTPConnectionPool._prepare_proxy
    urllib3.connection.HTTPConnection._new_conn
    urllib3.connection.HTTPConnection.connect
    urllib3.connection.HTTPConnection.is_connected
    urllib3.connection.HTTPConnection.proxy_is_tunneling
    urllib3.connection.HTTPConnection._dns_host
    urllib3.util.proxy.connection_requires_http_tunnel
    urllib3.util.ssltransport.SSLTransport
    urllib3.util.wait.wait_for_read
    urllib3.util.wait.wait_for_write
"""
"""What of requests and urllib3 is overridden here or leant on; what begins with an underscore is private to them. A test
sees that each is still there, so that a new release of theirs fails with a sentence and not with a riddle.
"""
