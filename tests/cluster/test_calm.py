"""Dask's processes sleep while nothing happens, unless a user has said how often they look."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

import lepton_jlab as lepton

TICK = "distributed.admin.tick.interval"
ASK = f"""
from lepton_jlab.cluster.engines.calm import calm_dask
import dask
calm_dask()
print(dask.config.get("{TICK}"), dask.config.get("distributed.worker.profile.interval"))
"""


def test_what_a_user_has_set_stays() -> None:
    environment = {**os.environ, "DASK_DISTRIBUTED__ADMIN__TICK__INTERVAL": "35ms"}
    done = subprocess.run(
        [sys.executable, "-c", ASK], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["35ms", "200ms"]


@pytest.mark.integration
def test_workers_are_told(cluster: lepton.Cluster) -> None:
    import dask

    with cluster.client() as client:
        told = client.run(dask.config.get, TICK)
    assert set(told.values()) == {"500ms"}
