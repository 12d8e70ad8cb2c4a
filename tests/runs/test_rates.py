"""What a run has cost for each thing that came of it."""

from __future__ import annotations

import pytest

from lepton_jlab.runs.spending import rates

COST = {"energy_wh": 6.0, "money": 3.0, "currency": "USD", "energy": "measured", "parts": {}}


def test_an_epoch_a_point_of_accuracy_and_a_thousand_predictions_have_their_costs():
    trained = rates(COST, {"loss": 0.2, "accuracy": 0.9, "val_accuracy": 0.75}, {"epoch": 3})
    assert trained["per_epoch"] == {"energy_wh": 2.0, "money": 1.0}
    assert trained["metric"] == "val_accuracy"
    assert trained["per_point"]["money"] == pytest.approx(3.0 / 75)
    assert trained["per_1000"] is None
    predicted = rates(COST, {"samples": 60_000}, None)
    assert predicted["per_1000"] == {"energy_wh": 0.1, "money": 0.05}
    assert predicted["per_epoch"] is predicted["per_point"] is predicted["metric"] is None


@pytest.mark.parametrize("metrics", [{}, {"accuracy": 0.0}, {"accuracy": 93.0}, {"samples": 0}])
def test_what_did_not_come_of_it_has_none(metrics):
    assert not any(rates(COST, metrics, {}).values())
