"""What an endpoint has cost."""

from __future__ import annotations

import urllib.request

import pytest

from lepton_jlab.commands import Context, perform
from lepton_jlab.models.serving.cells import serve_cell
from lepton_jlab.parsing import parse

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("stopped")]


def test_an_endpoint_knows_what_a_thousand_predictions_cost():
    endpoint = serve_cell("def double(number: int) -> int:\n    return 2 * number\n", "doubler")
    before = endpoint.info()["cost"]
    assert (before["predictions"], before["per_1000"]) == (0, None)
    for number in range(20):
        assert endpoint.call("double", number=number) == 2 * number
    cost = endpoint.info()["cost"]
    assert cost["predictions"] == 20
    assert cost["energy_wh"] > before["energy_wh"]
    assert cost["per_1000"]["money"] == pytest.approx(50 * cost["money"])
    authorized = {"Authorization": f"Bearer {endpoint.token}"}
    request = urllib.request.Request(f"{endpoint.url}/metrics", headers=authorized)
    metrics = urllib.request.urlopen(request).read().decode()
    assert 'lepton_energy_wh{endpoint="doubler"}' in metrics
    told = perform(parse(["cost"], "line"), Context("line"))
    assert "Endpoint doubler:" in told.text
    assert "for 1,000 predictions" in told.text
