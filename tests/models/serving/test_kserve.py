"""KServe's SDK asks an endpoint, by both protocols, JSON and binary.

It runs in the Python that LEPTON_KSERVE names, whose environment has it: ``pip install kserve``
brings older pandas, protobuf and psutil than Lepton's.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

import lepton_jlab as lepton

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("stopped")]

PYTHON = os.environ.get("LEPTON_KSERVE") or (sys.executable if find_spec("kserve") else None)


@pytest.mark.skipif(PYTHON is None, reason="LEPTON_KSERVE names no Python that has kserve")
def test_the_sdk_of_kserve_is_answered(shapes):
    endpoint = lepton.deploy("shapes")
    samples = shapes.version().samples
    images, expected = samples.inputs["x"].astype("float32"), samples.outputs["y"]
    script = Path(__file__).with_name("kserve_client.py")
    done = subprocess.run(
        [str(PYTHON), str(script), endpoint.url, endpoint.token, "shapes"],
        input=json.dumps(images.tolist()),
        capture_output=True,
        text=True,
        env={k: v for k, v in os.environ.items() if k != "PYTHONPATH"},
    )
    assert not done.returncode, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert (told["live"], told["ready"], told["model"]) == (True, True, True)
    for way in ("json", "binary", "v1"):
        np.testing.assert_allclose(told[way], expected, atol=1e-5)
    assert "401" in told["refused"]  # asked without a token
