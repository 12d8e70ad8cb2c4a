"""Bars and strips: what is drawn, for which values."""

from __future__ import annotations

import re
import time
from base64 import b64decode
from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st

from lepton_jlab.panel.facts.links import link_table
from lepton_jlab.panel.figures import RED, bar, strip

SVG = "{http://www.w3.org/2000/svg}"


def paths(svg: str) -> list[str]:
    """Return the lines over the base line: for each stretch its area and its edge."""
    return [path.get("d", "") for path in ElementTree.fromstring(svg).iter(f"{SVG}path")][1:]


def xs(path: str) -> list[float]:
    return [float(x) for x in re.findall(r"[ML](-?[\d.]+)", path)]


def test_the_newest_value_is_at_the_right_edge_and_a_short_history_leaves_room() -> None:
    area, edge = paths(strip([1.0, 2.0, 3.0], "CPU", across=60, size=(118, 20)))
    assert xs(edge) == [114.0, 116.0, 118.0]
    assert area.endswith("Z")


def test_what_was_not_known_is_a_gap() -> None:
    drawn = paths(strip([1.0, 2.0, None, 4.0, 5.0, float("nan"), 6.0], "CPU"))
    assert len(drawn) == 4  # two stretches; the last value stands alone


def test_a_peak_stays_when_values_are_thinned() -> None:
    values = [0.0] * 3600
    values[1234] = 100.0
    edge = paths(strip(values, "CPU", ceiling=100.0, size=(196, 34)))[1]
    assert len(xs(edge)) <= 121
    assert " 2.0" in edge  # the upper edge


def test_a_still_is_an_image_that_says_what_it_shows() -> None:
    drawn = strip([1.0, 2.0], "CPU & <more>", still=True)
    source = re.search(r"base64,([^\"]+)", drawn)
    assert source
    assert b64decode(source[1]).startswith(b"<svg")
    assert 'alt="CPU &amp; &lt;more&gt;"' in drawn
    assert "<svg" not in drawn


@given(st.lists(st.none() | st.floats(), max_size=300), st.integers(1, 4000))
def test_any_values_give_a_picture(values: list[float | None], across: int) -> None:
    drawn = strip(values, "anything", across=across)
    ElementTree.fromstring(drawn)
    assert "nan" not in drawn
    assert "inf" not in drawn


def test_a_bar_is_as_long_as_the_share_and_warns_only_of_what_is_scarce() -> None:
    assert "width:25.0%" in bar(0.25, "memory")
    assert "width:100.0%" in bar(3.0, "memory")
    assert RED in bar(0.95, "memory", scarce=True)
    assert RED not in bar(0.95, "CPU")
    assert bar(None, "unknown") == ""


def test_links_between_places_are_a_row_each():
    link = {"from": "edge", "to": "cloud", "rtt": 0.0412, "goodput": 1.2e6, "moved": 52_000_000}
    places = [{"label": "edge", "workers": 3}, {"label": "cloud", "workers": 1}]
    links = {"two": {"places": places, "links": [{**link, "measured": time.time()}]}}
    text = link_table(links).text()
    assert "two: edge (3) → cloud (1)" in text
    assert "41.2 ms" in text
    assert "1.2 MB/s" in text
    assert "52.0 MB" in text
    assert not link_table(links, "another").rows
