"""What a forked run child does to become a notebook's kernel instead."""

from __future__ import annotations

import atexit
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lepton_jlab.runs.child import devices, limits, streams
from lepton_jlab.runs.child.channel import Channel
from lepton_jlab.runs.child.shell import RunShell


def live(spec: Mapping[str, Any], channel: Channel) -> None:
    """Be an ipykernel until it is shut down.

    Parameters
    ----------
    spec : mapping
        ``file`` (its connection file), ``env``, ``cwd``, its share of devices and processors.
    """
    from ipykernel.kernelapp import IPKernelApp

    devices.prepare(spec)
    limits.use_processors(spec.get("affinity"))
    os.environ.update(spec["env"])
    os.environ.pop("JPY_PARENT_PID", None)  # of the notebook that started the cluster
    os.chdir(spec["cwd"] if Path(spec["cwd"]).is_dir() else Path(spec["file"]).parent)
    # The fork server runs with -P, which keeps IPython from looking for modules there.
    site = (n for n, path in enumerate(sys.path) if path.endswith(("site-packages", "-packages")))
    sys.path.insert(next(site, 0), "")
    RunShell.clear_instance()
    sys.breakpointhook = sys.__breakpointhook__
    sys.argv = ["ipykernel_launcher", "-f", spec["file"]]
    app = IPKernelApp.instance()
    app.initialize(["-f", spec["file"]])
    channel.send({"type": "up"})
    app.start()
    atexit._run_exitfuncs()
    streams.flush()
