"""Two network namespaces joined by a slow link: a relay between two TUN devices delays packets.

For machines whose kernel has no netem. It needs root, `ip` and `nsenter`; `emulated_link` raises
`CannotEmulateError` with the reason where it cannot be made, and the fixture `slow_link` skips.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import secrets
import select
import shlex
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

_TUNSETIFF, _IFF_TUN, _IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
_CLONE_NEWNET = 0x40000000
_PR_SET_PDEATHSIG = 1
_MTU = 1500
_BUFFER = 0.1  # seconds of packets that wait at each end; what comes beyond is dropped


class CannotEmulateError(Exception):
    """Namespaces or TUN devices cannot be made here; the message says why."""


@dataclass
class Side:
    """One end of a link.

    Attributes
    ----------
    address
        Its IP address on the link.
    namespace
        The name of its network namespace; None for that of this process.
    """

    address: str
    namespace: str | None
    _started: list[subprocess.Popen[Any]] = field(default_factory=list)

    def popen(
        self, arguments: Sequence[str], own_disk: bool = False, **options: Any
    ) -> subprocess.Popen[Any]:
        """Start a process on this side; the link ends it when it is taken down.

        With `own_disk` its folder for temporary files is empty, and nobody else sees what it
        writes there: as on another machine.
        """
        enter = [] if self.namespace is None else _enter(self.namespace)
        if own_disk:
            enter += ["unshare", "--mount", "sh", "-c", f'{_own_mounts()} && exec "$@"', "sh"]
        process = subprocess.Popen([*enter, *arguments], **options)
        self._started.append(process)
        return process

    def run(self, arguments: Sequence[str], **options: Any) -> subprocess.CompletedProcess[Any]:
        """Run a program on this side to its end, as `subprocess.run` does."""
        enter = [] if self.namespace is None else _enter(self.namespace)
        return subprocess.run([*enter, *arguments], check=False, **options)


def _own_mounts() -> str:
    """Return what hides the temporary files, but for the code where that is one of them."""
    temporary = Path(tempfile.gettempdir())
    code = {Path(__file__).resolve().parents[1], Path(sys.prefix)}
    code = {place for place in code if place.is_relative_to(temporary)}
    kept = [shlex.quote(str(p)) for p in code if not code.intersection(p.parents)]
    steps = ["mount -t tmpfs none /mnt"]
    for number, place in enumerate(kept):
        steps += [f"mkdir /mnt/{number}", f"mount --bind {place} /mnt/{number}"]
    steps.append(f"mount -t tmpfs none {temporary}")
    for number, place in enumerate(kept):
        steps += [f"mkdir -p {place}", f"mount --bind /mnt/{number} {place}"]
    return " && ".join(steps)


@dataclass
class Link:
    """Two sides and what is between them: `rtt` in s, `rate` in bytes/s each way."""

    near: Side
    far: Side
    rtt: float
    rate: float


@contextlib.contextmanager
def emulated_link(rtt: float, megabits: float, *, near_is_here: bool = False) -> Iterator[Link]:
    """Join two namespaces for a while.

    Parameters
    ----------
    rtt
        Seconds from one side to the other and back, without load.
    megabits
        Megabits a second each way.
    near_is_here
        Only the far side gets a namespace; the near one is where this process is, so that what
        listens here on ``link.near.address`` can be reached from the other side.

    Raises
    ------
    CannotEmulateError
        When the machine does not let us.
    """
    _check()
    tag = secrets.token_hex(3)
    net = f"10.{64 + secrets.randbelow(64)}.{secrets.randbelow(256)}"
    near = Side(f"{net}.1", None if near_is_here else f"lepton-{tag}-near")
    far = Side(f"{net}.2", f"lepton-{tag}-far")
    relay = None
    try:
        for side in (near, far):
            if side.namespace is not None:
                _ip("netns", "add", side.namespace)
        rate = megabits * 1e6 / 8
        words = [near.namespace or "", far.namespace or "", near.address, far.address]
        relay = subprocess.Popen(
            [sys.executable, __file__, f"lep{tag}", *words, str(rtt / 2), str(rate)],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert relay.stdout is not None
        if relay.stdout.readline().strip() != "up":
            raise CannotEmulateError("the TUN devices of an emulated link could not be made")
        yield Link(near, far, rtt, rate)
    finally:
        for process in [*near._started, *far._started]:
            process.terminate()
        for process in [*near._started, *far._started]:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(5)
            process.kill()
            process.wait()
        if relay is not None:
            relay.kill()
            relay.wait()
        for side in (near, far):
            if side.namespace is not None:
                subprocess.run(["ip", "netns", "del", side.namespace], check=False)


@pytest.fixture(scope="module")
def slow_link() -> Iterator[Link]:
    """A link of 10 Mbit/s and 40 ms there and back, between this process and a namespace."""
    try:
        with emulated_link(0.040, 10, near_is_here=True) as link:
            yield link
    except CannotEmulateError as error:
        pytest.skip(str(error))


def _check() -> None:
    if missing := [tool for tool in ("ip", "nsenter", "unshare") if shutil.which(tool) is None]:
        raise CannotEmulateError(
            f"an emulated link needs {' and '.join(missing)} (iproute2, util-linux)"
        )
    if os.geteuid() != 0:
        raise CannotEmulateError("an emulated link needs root, for network namespaces")
    if not Path("/dev/net/tun").exists():
        raise CannotEmulateError("an emulated link needs /dev/net/tun")


def _ip(*words: str) -> None:
    done = subprocess.run(["ip", *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise CannotEmulateError(f"ip {' '.join(words)}: {done.stderr.strip()}")


def _enter(namespace: str) -> list[str]:
    return ["nsenter", f"--net=/run/netns/{namespace}"]


def _tun(device: str, namespace: str, address: str, peer: str) -> int:
    """Make a TUN device in a namespace and return its descriptor."""
    libc = ctypes.CDLL(None, use_errno=True)
    here = os.open("/proc/self/ns/net", os.O_RDONLY)
    if namespace:
        there = os.open(f"/run/netns/{namespace}", os.O_RDONLY)
        if libc.setns(there, _CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "setns")
        os.close(there)
    tun = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    flags = struct.pack("16sH", device.encode(), _IFF_TUN | _IFF_NO_PI)
    fcntl.ioctl(tun, _TUNSETIFF, flags)
    libc.setns(here, _CLONE_NEWNET)
    os.close(here)
    within = ["-n", namespace] if namespace else []
    _ip(*within, "addr", "add", address, "peer", peer, "dev", device)
    _ip(*within, "link", "set", device, "up", "mtu", str(_MTU))
    if namespace:
        _ip(*within, "link", "set", "lo", "up")
    return tun


def _relay(ends: tuple[int, int], delay: float, rate: float) -> None:
    """Carry packets from end to end: each waits for those before it, and then for the delay."""
    other = {ends[0]: ends[1], ends[1]: ends[0]}
    free = dict.fromkeys(ends, 0.0)  # when the wire behind an end has sent what waits for it
    under_way: dict[int, deque[tuple[float, bytes]]] = {end: deque() for end in ends}
    while True:
        due = [packets[0][0] for packets in under_way.values() if packets]
        patience = max(0.0, min(due) - time.monotonic()) if due else None
        readable, _, _ = select.select(ends, (), (), patience)
        for end in readable:
            with contextlib.suppress(BlockingIOError):
                for _ in range(64):
                    packet = os.read(end, 2 * _MTU)
                    begin = max(time.monotonic(), free[end])
                    if begin - time.monotonic() > _BUFFER:
                        continue
                    free[end] = begin + len(packet) / rate
                    under_way[end].append((free[end] + delay, packet))
        for end, packets in under_way.items():
            while packets and packets[0][0] <= time.monotonic():
                with contextlib.suppress(OSError):  # a device that is full drops, as others do
                    os.write(other[end], packets.popleft()[1])


def _main() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    device, near, far, near_address, far_address, delay, rate = sys.argv[1:]
    first = _tun(device, near, near_address, far_address)
    second = _tun(device, far, far_address, near_address)
    print("up", flush=True)
    _relay((first, second), float(delay), float(rate))


if __name__ == "__main__":
    _main()
