"""The user's prices, and what is made of them."""

from __future__ import annotations

import pytest

from lepton_jlab.cost import amounts
from lepton_jlab.cost.prices import FILE, Prices, load_prices
from lepton_jlab.cost.pricing import priced, together
from lepton_jlab.errors import UsageError


@pytest.fixture
def file(tmp_path, monkeypatch):
    """A price file of this test alone."""
    monkeypatch.setenv("JUPYTER_CONFIG_DIR", str(tmp_path))
    return tmp_path / FILE


def test_without_a_file_there_are_defaults(file):
    assert load_prices() == Prices()


def test_the_currency_is_that_of_storage_unless_the_file_says_another(file):
    (file.parent / "lepton_tiers.toml").write_text('currency = "EUR"')
    assert load_prices().currency == "EUR"
    file.write_text('currency = "CHF"\nelectricity = 0.31\n[gpu_hour]\nH100 = 2.5\nother = 1')
    prices = load_prices()
    assert (prices.currency, prices.electricity) == ("CHF", 0.31)
    assert prices.hour_of("NVIDIA H100 80GB HBM3") == 2.5
    assert prices.hour_of("NVIDIA A100") == 1
    file.write_text("gpu_hour = 3")
    assert load_prices().hour_of("any") == 3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("electricty = 1", "'electricty' is not known. Did you mean 'electricity'"),
        ("electricity = -1", "electricity is -1; it must be a number, 0 or more"),
        ("[gpu_hour]\nH100 = 'x'", "gpu_hour.H100 is 'x'"),
        ("currency = 3", "currency is 3; give a word"),
        ("= 3", "cannot be read"),
    ],
)
def test_what_is_wrong_in_the_file_is_named(file, text, message):
    file.write_text(text)
    with pytest.raises(UsageError, match=str(file)) as caught:
        load_prices()
    assert message in str(caught.value)


def used(core_seconds=0.0, joules=None, **gpus):
    return {
        "seconds": 60.0,
        "cpu": {"core_seconds": core_seconds, "joules": joules},
        "gpus": {
            uuid: {"name": "H100", "how": how, "joules": j, "seconds": s}
            for uuid, (how, j, s) in gpus.items()
        },
    }


def test_energy_and_hours_are_paid_for():
    prices = Prices(electricity=0.5, core_hour=0.1, gpu_hour={"H100": 2.0}, core_watts=10)
    cost = priced(used(3600, a=("counter", 3_600_000, 1800)), prices)
    assert cost["energy_wh"] == pytest.approx(10 + 1000)
    assert cost["money"] == pytest.approx(0.01 * 0.5 + 0.1 + 0.5 + 1.0)
    assert cost["energy"] == "estimated"  # the processor's part
    assert {name: part["energy"] for name, part in cost["parts"].items()} == {
        "cpu": "estimated",
        "a": "measured",
    }


@pytest.mark.parametrize(
    ("gpu", "energy"),
    [
        (("counter", 36.0, 1), "measured"),
        (("power", 36.0, 1), "measured"),
        (("held", 36.0, 1), "estimated"),
        ((None, 0.0, 1), "estimated"),
    ],
)
def test_what_was_not_measured_is_marked(gpu, energy):
    cost = priced(used(1, joules=36.0, a=gpu), Prices(gpu_watts=36))
    assert cost["energy"] == energy
    assert cost["parts"]["a"]["energy_wh"] == pytest.approx(0.01)
    assert cost["parts"]["cpu"]["energy"] == "measured"


def test_costs_add_up_part_by_part():
    one = priced(used(3600, a=("counter", 3600, 10)), Prices())
    other = priced(used(3600, b=("held", 3600, 10)), Prices())
    total = together([one, other, one])
    assert total["energy_wh"] == pytest.approx(2 * one["energy_wh"] + other["energy_wh"])
    assert total["money"] == pytest.approx(2 * one["money"] + other["money"])
    assert {name: part["energy"] for name, part in total["parts"].items()} == {
        "cpu": "estimated",
        "a": "measured",
        "b": "estimated",
    }
    assert together([]) is None


@pytest.mark.parametrize(
    ("text", "wh"), [("100Wh", 100), ("1.5 kWh", 1500), ("360kJ", 100), ("7200 J", 2), ("5", 5)]
)
def test_energy_is_read_with_its_unit(text, wh):
    assert amounts.parse_energy(text, "--energy") == pytest.approx(wh)


@pytest.mark.parametrize("text", ["", "0Wh", "3 kg", "-1", "inf"])
def test_what_is_no_amount_is_refused(text):
    with pytest.raises(UsageError, match="--energy"):
        amounts.parse_energy(text, "--energy")
    if text != "3 kg":
        with pytest.raises(UsageError, match="--budget"):
            amounts.parse_money(text, "--budget")
