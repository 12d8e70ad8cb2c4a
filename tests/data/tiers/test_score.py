"""Counts that decay, what they let expect, and the forecast for many."""

from __future__ import annotations

import doctest
import math

import pytest

from lepton_jlab.data.tiers import score
from lepton_jlab.data.tiers.score import DAY, MONTH, decayed, expected, forecast


def test_examples():
    assert doctest.testmod(score).failed == 0


def test_a_count_halves_and_a_clock_set_back_changes_nothing():
    assert decayed(4, 3 * DAY, DAY) == 0.5
    assert decayed(4, -5, DAY) == 4


@pytest.mark.parametrize("half_life", [1.0, 7.0, 60.0])
@pytest.mark.parametrize("days", [3, 40, 400])
def test_a_steady_rate_is_found_again_however_long_it_is_known(half_life, days):
    count, steps = 0.0, 24
    for _ in range(days * steps):  # 3 a day
        count = decayed(count, DAY / steps, half_life * DAY) + 3 / steps
    found = expected(count, half_life * DAY, days * DAY)
    assert found == pytest.approx(3 * MONTH / DAY, rel=0.03)


def test_one_access_of_today_is_no_stream_of_them():
    assert expected(1.0, 7 * DAY, known_for=0.0) == expected(1.0, 7 * DAY, known_for=DAY)
    assert math.isfinite(expected(1.0, 7 * DAY, known_for=0.0))


def test_a_forecast_keeps_the_sum_and_the_order():
    rates = [0.0, 1.0, 20.0]
    drawn = forecast(rates, 0.6)
    assert sum(drawn) == pytest.approx(sum(rates))
    assert drawn == sorted(drawn)
    assert drawn[0] > 0
    assert forecast(rates, 0.0) == rates
    assert forecast([], 0.5) == []
