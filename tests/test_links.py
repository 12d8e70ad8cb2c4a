"""The emulated link itself, since other tests believe it."""

from __future__ import annotations

import socket
import sys
import time

import pytest
from links import slow_link  # noqa: F401 (a fixture)

pytestmark = pytest.mark.integration

_ECHO = """
import socket, sys
server = socket.create_server((sys.argv[1], 0))
print(server.getsockname()[1], flush=True)
peer, _ = server.accept()
while data := peer.recv(65536):
    peer.sendall(b"." if data[-1:] == b"!" else b"")
"""


def test_packets_take_their_time(slow_link):  # noqa: F811
    far = slow_link.far
    process = far.popen([sys.executable, "-c", _ECHO, far.address], stdout=-1, text=True)
    port = int(process.stdout.readline())
    with socket.create_connection((far.address, port), timeout=20) as peer:
        begin = time.monotonic()
        peer.sendall(b"!")
        peer.recv(1)
        # Never sooner than the link allows; how much later is the machine's affair.
        assert time.monotonic() - begin >= slow_link.rtt
        begin = time.monotonic()
        peer.sendall(bytes(500_000) + b"!")
        peer.recv(1)
        assert time.monotonic() - begin >= 500_000 / slow_link.rate + slow_link.rtt
