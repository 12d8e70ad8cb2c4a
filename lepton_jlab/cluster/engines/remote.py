"""A worker on another machine: ``python -m lepton_jlab.cluster.engines.remote``, through SSH.

What it is to be, TLS keys included, comes as one line of JSON on its standard input, so that no key
is in an argument, an environment variable or a file. It says on its standard output when it is
ready, and ends when its standard input does: with the connection, whatever ended that.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import sys
import tempfile
from typing import Any


async def serve(document: dict[str, Any], stdin: Any) -> None:
    """Be the worker that `document` describes until `stdin` ends or a signal comes."""
    from dask.system import CPU_COUNT
    from distributed import Nanny, Security

    from lepton_jlab.cluster.engines.calm import calm_dask

    calm_dask()
    keys = document["keys"]
    folder = tempfile.mkdtemp(prefix="lepton-worker-", dir=document["folder"])
    over = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(number, over.set)
    try:
        async with Nanny(
            document["scheduler"],
            nthreads=document["threads"] or max(1, CPU_COUNT // document["share"]),
            memory_limit=document["memory"] or "auto",
            name=document["name"],
            host=document["host"],
            protocol="tls://",
            security=Security(
                require_encryption=True,
                tls_ca_file=keys["ca"],
                **{f"tls_{role}_{part}": keys[part] for role in _ROLES for part in ("cert", "key")},
            ),
            local_directory=folder,
            dashboard=False,
        ) as nanny:
            print(json.dumps({"ready": nanny.worker_address}), flush=True)
            ends = [asyncio.ensure_future(wait) for wait in (over.wait(), _end_of(stdin))]
            gone = asyncio.ensure_future(nanny.finished())
            await asyncio.wait([*ends, gone], return_when=asyncio.FIRST_COMPLETED)
            for waiting in (*ends, gone):
                waiting.cancel()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


_ROLES = ("worker", "client", "scheduler")


async def _end_of(stdin: Any) -> None:
    reader = asyncio.StreamReader()
    protocol = asyncio.StreamReaderProtocol(reader)
    await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, stdin)
    while await reader.read(4096):
        pass


def main() -> None:
    """Read what is wanted, and be it."""
    os.umask(0o077)
    stdin = os.fdopen(sys.stdin.fileno(), "rb", buffering=0)
    line = bytearray()
    while not line.endswith(b"\n"):  # byte by byte would be slow; a line is about 5 kB
        part = stdin.read(65536)
        if not part:
            raise SystemExit("its standard input ended before it was told what to be")
        line += part
    asyncio.run(serve(json.loads(line), stdin))


if __name__ == "__main__":
    main()
