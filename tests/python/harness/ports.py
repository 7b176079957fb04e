"""Free ports on loopback, below the ephemeral range.

Ephemeral ports will not do: while a broker restarts, a client that keeps connecting to its port may be given that
very port as its own end, connect to itself, and keep the broker from coming back.
"""

import os
import random
import socket

_FIRST, _SLICE, _SLICES = 20000, 1000, 12
_given = set()


def free_port() -> int:
    """A port nobody listens on, never given twice by this process. Each test worker has a slice of its own."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:]) % _SLICES
    first = _FIRST + worker * _SLICE
    for _ in range(_SLICE):
        port = random.randrange(first, first + _SLICE)
        if port in _given:
            continue
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        _given.add(port)
        return port
    raise AssertionError(f"no free port from {first} to {first + _SLICE}")
