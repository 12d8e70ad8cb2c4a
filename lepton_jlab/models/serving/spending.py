"""What an endpoint has cost since it started, and what 1,000 predictions cost."""

from __future__ import annotations

import os
from typing import Any

from lepton_jlab.cost.pricing import priced
from lepton_jlab.models.serving.metrics import Metrics
from lepton_jlab.resources.energy import energy_meter
from lepton_jlab.runs.costs import current_prices
from lepton_jlab.runs.meter import ProcessMeter


class Spending:
    """The account of this process and its workers; their loading is counted, too."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        meter = ProcessMeter(os.getpid())
        visible = os.environ.get("CUDA_VISIBLE_DEVICES") or ""
        devices = [name for name in visible.split(",") if name and name != "-1"]
        self._account = energy_meter().open(meter.spent, meter.pids, devices)

    def document(self) -> dict[str, Any]:
        """Return the cost, as `lepton_jlab.cost.pricing.priced` says, and ``predictions``.

        ``per_1000`` is ``{"energy_wh", "money"}`` of 1,000 of them, None before the first.
        """
        cost, count = priced(self._account.used(), current_prices()), self._metrics.predictions
        per = {key: 1000 * cost[key] / count for key in ("energy_wh", "money")} if count else None
        return {**cost, "predictions": count, "per_1000": per}
