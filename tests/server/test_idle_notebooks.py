"""A notebook that holds an idle GPU is named by its file, and its kernel can be shut down."""

from __future__ import annotations

import psutil
import pytest
import requests
from conditions import wait_until

from lepton_jlab.runs.idle import free, idle_devices

from .conftest import start_server

pytestmark = pytest.mark.integration


def test_the_notebook_that_holds_a_gpu_is_named_and_let_go(invented, tmp_path):
    for server in start_server(tmp_path, {}):
        asked = {
            "path": "train.ipynb",
            "name": "",
            "type": "notebook",
            "kernel": {"name": "python3"},
        }
        headers = {"Authorization": f"token {server.token}"}
        made = requests.post(f"{server.url}api/sessions", json=asked, headers=headers, timeout=60)
        kernel = made.json()["kernel"]["id"]

        def pid(server=server, kernel=kernel):
            children = psutil.Process(server.pid).children(recursive=True)
            return next((one.pid for one in children if kernel in " ".join(one.cmdline())), None)

        invented.put(0, wait_until(pid, 30), 2**30)
        invented.set(0, use=0, used=2**30)
        [device] = idle_devices()
        [holder] = device["holders"]
        assert (holder["kind"], holder["name"]) == ("kernel", "kernel of train.ipynb")
        assert holder["mine"]

        said: list[str] = []
        assert free([device], force=False, say=said.append) == []
        invented.set(0, use=80, used=2**30)
        assert idle_devices() == []  # it works
        invented.set(0, use=0, used=2**30)
        assert free([device], force=True, say=said.append) == [holder]
        assert said == ["shutting down kernel of train.ipynb"]
