"""The extension of the Jupyter server: puts the handlers in place, begins and ends what runs."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from jupyter_server.extension.application import ExtensionApp
from traitlets import Float, default

from lepton_jlab.granted import granted
from lepton_jlab.server import routes
from lepton_jlab.server.dask import DaskHandler
from lepton_jlab.server.handlers import handlers
from lepton_jlab.server.hub import Hub
from lepton_jlab.server.idleness import Idleness
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
    cull_minutes = Float(
        help="Minutes of idleness after which the hub ends this server; 0: never. 10 on Binder."
    ).tag(config=True)
    cull_warning = Float(2.0, help="Minutes before that end at which pages are told.").tag(
        config=True
    )
    runs_keep_minutes = Float(
        60.0, help="Minutes for which runs that go on count as activity when nothing else does."
    ).tag(config=True)

    lab: Lab

    @default("cull_minutes")  # type: ignore[untyped-decorator]
    def _cull_minutes(self) -> float:
        return 10.0 if granted().on_binder else 0.0

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
            idleness=Idleness(
                self.serverapp.web_app,
                limit=60 * self.cull_minutes,
                warning=60 * self.cull_warning,
                fair=60 * self.runs_keep_minutes,
            ),
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
        self._watching = asyncio.create_task(self.lab.idleness.watch())

    async def stop_extension(self) -> None:
        """End what runs in threads."""
        self._watching.cancel()
        self._figures.end()
        self.lab.tasks.cancel_all()
        self.lab.sampler.stop()
        self.lab.hub.close()


def _root(serverapp: Any) -> Path:
    """Return the folder that the server shows."""
    root = getattr(serverapp.contents_manager, "root_dir", None) or serverapp.root_dir
    return Path(root).expanduser().resolve()
