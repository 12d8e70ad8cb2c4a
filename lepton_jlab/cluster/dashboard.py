"""Dask's dashboard of a cluster, on a socket file that only its owner can reach, when asked for.

Dask would serve it on a port that every user of the machine can open. Here it answers on a Unix
socket in the host's private folder; the Jupyter server, which asks for a login, goes between.
"""

from __future__ import annotations

import asyncio
from importlib import import_module
from pathlib import Path
from typing import Any

from lepton_jlab.errors import ClusterError


async def open_dashboard(scheduler: Any, socket: Path) -> None:
    """Serve the dashboard of a scheduler of this process on `socket`.

    Raises
    ------
    ClusterError
        When bokeh, which draws it, is not installed.
    """
    from tornado.netutil import bind_unix_socket

    try:  # in a thread: it takes a second, in which the scheduler must go on
        dashboard = await asyncio.to_thread(import_module, "distributed.dashboard.scheduler")
    except ImportError as error:
        raise ClusterError(
            f"Dask's dashboard cannot be drawn: {error}. Install what it needs: "
            "pip install 'lepton_jlab[dashboard]', and start the cluster again."
        ) from error
    dashboard.connect(scheduler.http_application, scheduler.http_server, scheduler)
    scheduler.http_server.add_socket(bind_unix_socket(str(socket), mode=0o600))
