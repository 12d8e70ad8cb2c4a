"""The extension of the Jupyter server: puts the handlers in place, begins and ends what runs."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from jupyter_server.extension.application import ExtensionApp
from traitlets import Float

from lepton_jlab.server import routes
from lepton_jlab.server.dask import DaskHandler
from lepton_jlab.server.handlers import handlers
from lepton_jlab.server.hub import Hub
from lepton_jlab.server.lab import Lab
from lepton_jlab.server.pools import Pools
from lepton_jlab.server.prometheus import Figures
from lepton_jlab.server.socket import EventsHandler
from lepton_jlab.server.tasks import Tasks


class LeptonApp(ExtensionApp):
    """Lepton in a Jupyter server."""

    name = "lepton_jlab"
    load_other_extensions = True

    sampling_interval = Float(1.0, help="Seconds between two samples.").tag(config=True)

    lab: Lab

    def initialize_handlers(self) -> None:
        """Put the handlers in place; nothing heavy is imported and nothing is started."""
        from lepton_jlab.resources import sampler

        hub = Hub()
        self.lab = Lab(
            root=_root(self.serverapp),
            pools=Pools(),
            tasks=Tasks(hub.tasks_changed),
            sampler=sampler(),
            hub=hub,
        )
        hub.lab = self.lab
        self.handlers.extend(handlers(self.lab))
        self.handlers.append((routes.EVENTS, EventsHandler, {"lab": self.lab}))
        dask = f"{routes.DASK}/(?P<name>[^/]+)/(?P<path>.*)"
        self.handlers.append((dask, DaskHandler, {"lab": self.lab}))

    async def _start_jupyter_server_extension(self, _serverapp: Any) -> None:
        self.lab.hub.loop = asyncio.get_running_loop()
        self.lab.sampler.start(self.sampling_interval)
        self._figures = Figures(self.lab.sampler)
        self._figures.begin()

    async def stop_extension(self) -> None:
        """End what runs in threads."""
        self._figures.end()
        self.lab.tasks.cancel_all()
        self.lab.sampler.stop()
        self.lab.hub.close()


def _root(serverapp: Any) -> Path:
    """Return the folder that the server shows."""
    root = getattr(serverapp.contents_manager, "root_dir", None) or serverapp.root_dir
    return Path(root).expanduser().resolve()
