"""What a person sees of runs, sweeps and comparisons, as HTML and as text."""

from __future__ import annotations

import base64
import doctest
import math
import re
from html.parser import HTMLParser
from typing import Any
from xml.etree import ElementTree

import pytest

from lepton_jlab.commands.cluster import views
from lepton_jlab.runs import metrics, words
from lepton_jlab.runs.views import screen
from lepton_jlab.runs.views.curve import Series, chart, sparkline
from lepton_jlab.runs.views.drawing import (
    compare_html,
    compare_text,
    listing_html,
    listing_text,
    run_html,
    run_text,
    sweep_html,
    sweep_text,
)
from lepton_jlab.runs.views.output import arranged

START = 1_795_430_000.0
VOID = {"img", "br", "hr", "meta", "input"}


def a_run(number: int, state: str = "done", **known: Any) -> dict[str, Any]:
    run: dict[str, Any] = {
        "id": f"r{number}",
        "name": None,
        "sweep": "s1",
        "state": state,
        "params": {},
        "metrics": {},
        "values": [],
        "error": None,
        "worker": "w0",
        "submitted": START,
        "started": START + 1,
        "ended": START + 31.4,
        "progress": None,
        "place": None,
        "brought": [],
    }
    if state == "queued":
        run |= {"started": None, "ended": None, "worker": None}
    if state == "running":
        run |= {"ended": None}
    return run | known


def said(text: str) -> dict[str, Any]:
    return {"type": "text", "stream": "stdout", "text": text}


def shown(display_id: str | None = None, *, update: bool = False, **data: str) -> dict[str, Any]:
    bundle = {kind.replace("_", "/"): content for kind, content in data.items()}
    return {"type": "display", "data": bundle, "display_id": display_id, "update": update}


def falling(steps: int, end: float = 0.3) -> list[dict[str, float]]:
    return [
        {"step": n, "t": START + n, "loss": end + 1 / (n + 1), "val_loss": end + 1.1 / (n + 1)}
        for n in range(steps)
    ]


class Reader(HTMLParser):
    """Collects the text and the pictures of a page, and insists that its tags are balanced."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.text = ""
        self.pictures: list[str] = []
        self.rows = 0
        self._open: list[str] = []
        self.feed(page)
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "img":
            self.pictures.append(dict(attrs)["src"] or "")
        self.rows += tag == "tr"
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open[-1:] != ["style"]:
            self.text += data

    @property
    def drawings(self) -> list[ElementTree.Element]:
        prefix = "data:image/svg+xml;base64,"
        drawn = [p.removeprefix(prefix) for p in self.pictures if p.startswith(prefix)]
        return [ElementTree.fromstring(base64.b64decode(code)) for code in drawn]


@pytest.mark.parametrize(
    ("printed", "lines"),
    [
        ("a\nb\r\nc", ["a", "b", "c"]),
        ("10%\r50%\r100%\ndone", ["100%", "done"]),
        ("12345\rab", ["ab345"]),
        ("12345\r\x1b[Kab", ["ab"]),
        ("abc\b\bX", ["aXc"]),
        ("one\ntwo\n\x1b[2A1ne\n2wo", ["1ne", "2wo"]),
        ("bar 1\nbar 2\x1b[A\rBAR 1", ["BAR 1", "bar 2"]),
        ("a\x1b[3Cb", ["a   b"]),
        ("old\x1b[2Jnew", ["new"]),
        ("\x1b]0;title\x07\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", ["link"]),
        ("\x1b[?25lhidden cursor\x1b[?25h", ["hidden cursor"]),
        ("a\x1b[999999999B", None),
        ("", []),
    ],
)
def test_text_is_shown_as_a_terminal_shows_it(printed: str, lines: list[str] | None) -> None:
    for step in (1, 3, len(printed) or 1):  # however it is cut
        terminal = screen.Screen()
        for place in range(0, len(printed), step):
            terminal.feed(printed[place : place + step])
        if lines is None:
            assert len(terminal) < 1000
        else:
            assert terminal.text() == lines


def test_colours_become_spans_and_markup_stays_text() -> None:
    terminal = screen.Screen()
    terminal.feed("\x1b[31mred\x1b[0m <b>&\n\x1b[1;4mloud\x1b[22;24m \x1b[38;5;208m256\x1b[39m x")
    first, second = terminal.html()
    assert re.fullmatch(r'<span style="color:#\w{6}">red</span> &lt;b&gt;&amp;', first)
    assert '<span style="font-weight:bold;text-decoration:underline">loud</span>' in second
    assert second.endswith("</span> x")


@pytest.mark.parametrize("code", ["38;2;248;248;242", "38;5;231", "38;5;16", "38;2;0;0;0"])
def test_white_and_black_text_take_the_colour_of_the_page(code: str) -> None:
    terminal = screen.Screen()
    terminal.feed(f"\x1b[{code}mx")
    assert terminal.html() == ["x"]


def test_displays_are_updated_in_place_and_cleared_when_the_next_comes() -> None:
    output = arranged(
        [
            said("gone"),
            {"type": "clear", "wait": False},
            said("kept\n"),
            shown("a", text_plain="first"),
            said("after"),
            shown("a", update=True, text_plain="second"),
        ]
    )
    assert output.text().splitlines() == ["kept", "second", "after"]
    output.take({"type": "clear", "wait": True})
    assert output.text()
    output.take(said("new"))
    assert output.text() == "new"


def test_a_run_in_the_queue_shows_its_place() -> None:
    queued = a_run(20, "queued", place=3, params={"lr": 0.1})
    expected = "queued r20 lr=0.1 · place 3 in the queue"
    assert expected in Reader(run_html(queued, [], [])).text
    assert run_text(queued) == "r20 lr=0.1 · queued · place 3 in the queue"


def test_a_running_run_shows_progress_metrics_curves_and_output() -> None:
    run = a_run(
        17,
        "running",
        name="trial",
        progress={"epoch": 2, "epochs": 3, "batch": 120, "batches": 390},
        metrics={"loss": 0.312345, "val_loss": 0.4},
        brought=["build (function)", "np (module numpy)"],
    )
    html = run_html(run, [said("Epoch 1\n")], falling(40), now=START + 76)
    page = Reader(html)
    for part in ("running r17 trial 1 min 15 s", "epoch 2 of 3 · batch 120 of 390", "loss 0.3123"):
        assert part in page.text
    assert 'value="0.436"' in html
    assert "<svg" not in html  # an untrusted notebook would lose it
    (curve,) = page.drawings
    assert sum(path.get("stroke-width") == "1.8" for path in curve.iter()) == 2
    assert "validation" in "".join(curve.itertext())
    assert "Epoch 1" in page.text
    assert "came along: build, np<" in html
    assert {"epoch", "0", "10", "20", "30"} <= set(curve.itertext())
    text = run_text(run, [said("Epoch 1\n")], now=START + 76)
    assert text.splitlines()[0].startswith("r17 trial · running · 1 min 15 s · epoch 2 of 3")
    assert text.splitlines()[1] == "Epoch 1"


def test_a_run_on_several_workers_shows_where_and_what_it_has_kept() -> None:
    ranks = [{"rank": r, "worker": f"w{r}", "state": s} for r, s in enumerate(("running", "lost"))]
    kept = {"epoch": 2, "batch": 7}
    run = a_run(4, "running", replicas=ranks, checkpoint=kept)
    words = "2 replicas: 0 on w0, 1 on w1 (lost) · checkpoint: epoch 3, batch 7"
    assert words in run_text(run)
    assert words in run_html(run, [], [])


def test_a_failed_run_shows_its_error_once_in_colour_and_without_in_text() -> None:
    lines = [
        "\x1b[31mZeroDivisionError\x1b[0m   Traceback",
        "cell line 2",
        "ZeroDivisionError: by 0",
    ]
    error = {"kind": "exception", "message": "ZeroDivisionError: by 0", "traceback": lines}
    run = a_run(18, "failed", error=error)
    message = {"type": "error", "name": "ZeroDivisionError", "message": "by 0", "traceback": lines}
    for messages in ([], [message]):
        page = Reader(run_html(run, messages, []))
        assert page.text.count("cell line 2") == 1
        text = run_text(run, messages)
        assert text.count("cell line 2") == 1
        assert "\x1b" not in text


def test_a_run_that_died_says_of_what() -> None:
    run = a_run(19, "failed", error={"kind": "memory", "message": "4.2 GB, limit 4.0 GB"})
    assert "memory: 4.2 GB, limit 4.0 GB" in Reader(run_html(run, [], [])).text
    assert "memory: 4.2 GB, limit 4.0 GB" in run_text(run)


def test_only_the_last_lines_are_drawn_with_the_way_to_the_rest() -> None:
    messages = [said("".join(f"line {n}\n" for n in range(5000)))]
    html = run_html(a_run(21), messages, [])
    assert "4,800 earlier lines. All of it: <code>%lepton runs show r21 --output</code>" in html
    assert "line 4799\n" not in html
    assert "line 4800\n" in html
    assert "line 4999" in html


def test_output_whose_beginning_is_not_at_hand_says_so() -> None:
    messages = [{**said("the end\n"), "seq": 7}]
    assert "… earlier output. All of it: <code>" in run_html(a_run(21), messages, [])
    assert run_text(a_run(21), messages).endswith("… earlier output\nthe end")
    messages += [said("\n" * 300)]
    assert "… over 101 earlier lines" in run_html(a_run(21), messages, [])


def test_a_long_progress_bar_is_drawn_as_it_ends() -> None:
    states = "".join(f"\r{n}/20000 {'=' * (n // 1000)}" for n in range(20_001))
    drawn = run_text(a_run(1), [said(f"Epoch 1\n{states} done\nEpoch 2\n")])
    assert drawn.splitlines()[1:] == ["Epoch 1", f"20000/20000 {'=' * 20} done", "Epoch 2"]


def test_pictures_and_html_of_the_run_are_drawn_and_large_ones_are_not() -> None:
    messages = [
        shown(image_png="aGVsbG8=", text_plain="<Figure>"),
        shown(text_html="<table><tr><td>frame</td></tr></table>"),
        shown(text_html="x" * 2_000_000, text_plain="too large"),
        *(shown(text_plain=f"display {n}") for n in range(12)),
    ]
    page = run_html(a_run(1), messages[:3], [])
    assert 'src="data:image/png;base64,aGVsbG8="' in page
    assert "<td>frame</td>" in page
    assert "too large" in page
    assert len(page) < 10_000
    assert "3 earlier displays" in run_html(a_run(1), messages, [])


def test_nothing_that_a_run_says_becomes_markup() -> None:
    bad = "<script>alert(1)</script>"
    run = a_run(
        1,
        "failed",
        name=bad,
        params={bad: bad},
        metrics={bad: 1.0},
        error={"kind": "exception", "message": bad},
        brought=[bad],
        values=[bad],
    )
    rows = [{"step": n, bad: n} for n in range(3)]
    for page in (
        run_html(run, [said(bad)], rows),
        sweep_html([run], {"r1": [said(bad)]}, {"r1": rows}, name=bad),
        compare_html([run, run | {"id": "r2"}], {"r1": rows}),
        listing_html([run]),
    ):
        assert "<script" not in page
        for drawing in Reader(page).drawings:
            assert not [node for node in drawing.iter() if node.tag.endswith("script")]


def test_a_sweep_shows_each_run_with_the_best_marked_by_what_is_better() -> None:
    runs = [
        a_run(1, params={"lr": 0.1}, metrics={"loss": 0.5, "accuracy": 0.8}),
        a_run(2, params={"lr": 0.01}, metrics={"loss": 0.4, "accuracy": 0.7}),
        a_run(3, "running", params={"lr": 1}, progress={"epoch": 1, "batch": 5, "batches": 10}),
        a_run(4, "failed", params={"lr": 2}, error={"kind": "signal", "message": "SIGSEGV"}),
        a_run(5, "queued", params={"lr": 3}, place=1),
    ]
    html = sweep_html(runs, {"r1": [said("hi\n")]}, {"r1": falling(9)}, name="s1 trials")
    page = Reader(html)
    assert "5 runs: 2 done, 1 running, 1 queued, 1 failed" in page.text
    assert "<b>★ 0.4</b>" in html
    assert "<b>★ 0.8</b>" in html
    assert html.count("★") == 2
    assert page.rows == 6
    assert len(page.drawings) == 1
    assert "hi" in page.text
    text = sweep_text(runs, name="s1 trials")
    assert text.startswith("s1 trials · running · 5 runs")
    assert re.search(r"r2 +0\.01 +done +0\.4\* +0\.7", text)
    assert "signal: SIGSEGV" in text
    assert "place 1" in text


def test_many_names_that_came_along_are_folded() -> None:
    html = run_html(a_run(1, brought=[f"n{i} (function)" for i in range(7)]), [], [])
    assert "<details><summary>7 names came along</summary>n0 (function), n1" in html


def test_what_is_no_score_gets_no_star_and_a_repeated_learning_rate_no_column() -> None:
    def trials(rate: float) -> list[dict[str, Any]]:
        return [
            a_run(
                n,
                params={"lr": 10.0**-n, "units": "64"},
                metrics={"loss": loss, "learning_rate": rate * 10.0**-n},
            )
            for n, loss in ((1, 0.325), (2, 0.34041))
        ]

    for draw in (sweep_text, compare_text):
        assert draw(trials(0.5)).count("*") == 1
        assert "learning_rate" in draw(trials(0.5))
        repeated = draw(trials(1.00000001))  # as float32 keeps it
        assert "learning_rate" not in repeated
        assert "0.3250*" in repeated
        assert "0.3404" in repeated
    html = sweep_html(trials(1), {}, {})
    assert '<td style="text-align:right;white-space:nowrap">0.01</td>' in html
    assert '<td style="text-align:left;white-space:nowrap">64</td>' in html


def test_a_sweep_says_how_far_each_run_has_come() -> None:
    runs = [
        a_run(1, "running", name="trials", progress={"epoch": 5, "epochs": 8}),
        a_run(2, "running", name="trials"),
        a_run(3, "running", name="trials", metrics={"loss": 0.5}),
    ]
    html = sweep_html(runs, {"r3": [said("Epoch 1/8 ━━━━\n")]}, {}, name="s1 trials")
    text = Reader(html).text
    assert "epoch 5/8" in text
    assert text.count("starting") == 1
    assert sweep_text(runs).count("starting") == 1
    assert text.count("trials") == 1
    assert "r3 · loss 0.5" in text
    assert '<details class="live" open>' in html


def test_the_small_curves_of_a_sweep_share_one_range() -> None:
    runs = [a_run(n, metrics={"loss": n / 3}) for n in (1, 2)]
    histories = {
        "r1": [{"step": n, "loss": 0.4 - n / 100} for n in range(8)],
        "r2": [{"step": n, "loss": 0.7 - n / 100} for n in range(8)],
    }
    low, high = Reader(sweep_html(runs, {}, histories)).drawings
    ends = [float(circle.get("cy", "")) for d in (low, high) for circle in d if circle.get("cy")]
    assert ends[0] > ends[1] + 5


def test_a_comparison_names_a_sweep_once_and_draws_loss_beside_accuracy() -> None:
    known: dict[str, Any] = {"name": "rates", "progress": {"epoch": 4, "epochs": 4}}
    runs = [a_run(n, **known, metrics={"accuracy": 0.5, "val_loss": n / 10}) for n in (1, 2)]
    rows = [{"step": n, "t": START, "accuracy": n / 9, "val_loss": 1 / n} for n in range(1, 5)]
    html = compare_html(runs, {"r1": rows, "r2": rows})
    page = Reader(html)
    assert "2 runs · rates" in page.text
    assert page.text.count("rates") == 1
    loss, accuracy = page.drawings
    assert {"val_loss", "epoch", "1", "2", "3", "4"} <= set(loss.itertext())
    assert {"accuracy", "epoch", "r1", "r2"} <= set(accuracy.itertext())
    assert html.index("accuracy</th>") < html.index("val_loss</th>")
    other = [runs[0], runs[1] | {"name": "more"}]
    assert all(name in Reader(compare_html(other, {})).text for name in ("r1 rates", "r2 more"))


def test_a_cluster_shows_who_is_free_and_no_address_in_a_notebook() -> None:
    worker = {"id": "0", "host": "here", "devices": ["cpu"], "threads": 2, "memory": 4 * 10**9}
    worker |= {"run": None, "runs": [], "fault": None}
    workers = [
        worker,
        worker | {"id": "1", "run": "r7", "runs": ["r7", "r8"]},
        worker | {"id": "2", "fault": "gpu:2: GPU is lost"},
    ]
    text, html = views(
        {"name": "main", "engine": "local", "address": "tls://x:1", "workers": workers}
    )
    assert text.splitlines()[2].split() == ["0", "here", "cpu", "2", "4.0", "GB", "free"]
    assert ">r7, r8<" in html
    assert text.splitlines()[4].endswith("gpu:2: GPU is lost")
    assert "4.0 GB" in html
    assert "tls://" in text
    assert "tls://" not in html


def test_a_sweep_of_a_thousand_runs_stays_small_and_shows_what_matters() -> None:
    states = ["done"] * 700 + ["failed"] * 12 + ["running"] * 2 + ["queued"] * 286
    runs = [
        a_run(n, state, params={"lr": n}, metrics={"loss": abs(n - 555)} if n < 700 else {})
        for n, state in enumerate(states)
    ]
    histories = {run["id"]: falling(50) for run in runs}
    html = sweep_html(runs, {run["id"]: [said("x\n")] for run in runs}, histories, name="s1")
    page = Reader(html)
    assert len(html) < 100_000
    assert page.rows == 31
    for part in ("1,000 runs: 700 done, 2 running, 286 queued, 12 failed", "970 more"):
        assert part in page.text
    for expected in ("r0", "r555", "r700", "r712", "r713"):
        assert f">{expected}</td>" in html
    assert len(sweep_text(runs)) < 5000


def test_a_comparison_ranks_shows_what_differs_and_plots_all_curves() -> None:
    runs = [
        a_run(
            n,
            params={"lr": 10.0**-n, "batch": 128},
            metrics={"accuracy": n / 10, "val_loss": 1 / n},
        )
        for n in (1, 2, 3)
    ]
    histories = {run["id"]: falling(20) for run in runs}
    html = compare_html(runs, histories)
    page = Reader(html)
    assert "all with batch=128" in page.text
    assert html.index("r3</td>") < html.index("r2</td>") < html.index("r1</td>")
    assert html.count("★") == 2
    (plot,) = page.drawings
    labels = "".join(plot.itertext())
    assert all(label in labels for label in ("val_loss", "r1 lr=0.1", "r2 lr=0.01", "r3 lr=0.001"))
    text = compare_text(runs)
    assert "batch" not in text
    assert text.splitlines()[1].split() == ["r3", "0.001", "0.3*", "0.3333*", "30.4", "s", "done"]
    assert compare_text(runs, "accuracy").splitlines()[3].startswith("r1")
    assert Reader(compare_html(runs[:1], {})).text


def test_a_listing_has_one_row_a_run() -> None:
    runs = [a_run(1, name="first", metrics={"loss": 0.5}), a_run(2, "queued", place=2)]
    assert Reader(listing_html(runs)).rows == 3
    lines = listing_text(runs, now=START).splitlines()
    assert len(lines) == 3
    assert "first" in lines[1]
    assert "place 2 in the queue" in lines[2]
    assert "No runs yet" in listing_text([])
    assert "No runs yet" in listing_html([])


@pytest.mark.parametrize(
    ("metric", "direction"),
    [
        *((name, "min") for name in ("loss", "val_loss", "mae", "val_mean_absolute_error", "rmse")),
        *((name, "min") for name in ("perplexity", "binary_crossentropy", "trainLoss", "seconds")),
        *((name, "max") for name in ("accuracy", "val_auc", "f1", "r2", "closeness", "reward")),
    ],
)
def test_the_better_direction_follows_from_the_name(metric: str, direction: str) -> None:
    assert metrics.better(metric) == direction


def test_the_leading_metric_is_a_loss_on_validation_data_if_there_is_one() -> None:
    assert metrics.leading(["accuracy", "loss", "val_accuracy", "val_loss"]) == "val_loss"
    assert metrics.leading(["accuracy", "loss"]) == "loss"
    assert metrics.leading(["reward"]) == "reward"
    assert metrics.leading([]) is None


def test_the_best_is_none_where_nothing_can_be_compared() -> None:
    assert metrics.best({"a": 1.0, "b": math.nan, "c": None}, "loss") is None
    assert metrics.best({"a": 1.0, "b": 0.5, "c": math.inf}, "accuracy") == "a"


def test_curves_of_any_values_can_be_drawn() -> None:
    curves = [
        [(0.0, 1.0), (1.0, 1.0)],
        [(0.0, -1e-9), (1.0, 1e9)],
        [(0.0, 1e-12), (5.0, 1e6)],
        [(1.0, math.nan), (2.0, 0.5), (3.0, math.inf), (4.0, 0.25)],
        [(float(n), math.sin(n)) for n in range(10_000)],
    ]
    for points in curves:
        picture = chart([Series("a", points), Series("b", points)], "loss")
        (drawn,) = Reader(picture).drawings
        assert "nan" not in ElementTree.tostring(drawn, "unicode")
        assert len(picture) < 15_000
        assert Reader(sparkline([y for _, y in points])).drawings
    assert chart([Series("a", [(0.0, 1.0)])], "loss") == ""
    assert sparkline([1.0]) == sparkline([math.nan, 2.0]) == ""


@pytest.mark.parametrize("module", [words, metrics])
def test_examples_in_docstrings_hold(module: Any) -> None:
    assert doctest.testmod(module).failed == 0
