"""The look that runs, sweeps and listings share: frame, state mark, progress, charts."""

from __future__ import annotations

import time
from collections.abc import Container, Mapping, Sequence
from html import escape
from typing import Any

from lepton_jlab.cost import amounts
from lepton_jlab.runs import words
from lepton_jlab.runs.metrics import better, family, is_score, leading
from lepton_jlab.runs.views.curve import COLOURS, Series, chart

RunDict = Mapping[str, Any]
Rows = Sequence[Mapping[str, Any]]  # {"step": 3, "t": 1795430000.0, "loss": 0.2, …}

LEAST = 1e-4  # Wh that are worth a word: a core for 45 ms
ENDED = frozenset({"done", "failed", "cancelled", "lost"})
# Middle tones, 3:1 on white and on #111: a sanitised notebook keeps colours but no variables.
STATES = {
    "done": ("●", "#2e9e5b"),
    "running": ("●", "#2b87d1"),
    "queued": ("○", "#7d858f"),
    "failed": ("●", "#d9453d"),
    "cancelled": ("●", "#a8851e"),
    "lost": ("●", "#d9453d"),
}

_STYLE = """
.lepton{font:13px/1.5 var(--jp-ui-font-family,system-ui,sans-serif);max-width:920px;
color:var(--jp-ui-font-color1,inherit);padding:2px 0}
.lepton p{margin:2px 0}
.lepton i{font-style:normal;color:var(--jp-ui-font-color2,#7d858f)}
.lepton progress{appearance:none;border:0;width:240px;height:7px;border-radius:4px;overflow:hidden;
background:rgba(128,128,128,.25);color:#2b87d1;vertical-align:1px;margin-right:6px}
.lepton progress::-webkit-progress-bar{background:rgba(128,128,128,.25)}
.lepton progress::-webkit-progress-value{background:#2b87d1}
.lepton progress::-moz-progress-bar{background:#2b87d1}
.lepton table progress{width:72px;margin:0 6px 0 0}
.lepton .tail{display:flex;flex-direction:column-reverse;max-height:26em;overflow:auto;
margin:4px 0;border-radius:3px;background:rgba(128,128,128,.11)}
.lepton .tail pre{margin:0;padding:6px 10px;white-space:pre;color:inherit;background:none;flex:none;
overflow:visible;font:12px/1.45 var(--jp-code-font-family,ui-monospace,monospace)}
.lepton .live .tail{max-height:11.7em}
.lepton img{max-width:100%;height:auto;vertical-align:middle;margin:2px 8px 2px 0}
.lepton td img{margin:0}
.lepton table{border-collapse:collapse;margin:6px 0;font-size:12px;width:auto}
.lepton th,.lepton td{padding:3px 10px 3px 0;border:0;white-space:nowrap;background:none}
.lepton th{font-weight:600;color:var(--jp-ui-font-color2,#7d858f)}
.lepton tbody tr{border-top:1px solid var(--jp-border-color2,rgba(128,128,128,.28));
background:none!important}
.lepton td{font-variant-numeric:tabular-nums}
.lepton details{margin:3px 0}
.lepton summary{cursor:pointer;color:var(--jp-ui-font-color2,#7d858f)}
"""


def frame(*parts: str) -> str:
    """Put parts into one block with its small style sheet."""
    style = _STYLE.replace("\n", "")
    return f'<div class="lepton"><style>{style}</style>{"".join(parts)}</div>'


def note(text: str) -> str:
    """Return a quiet remark."""
    return f"<p><i>{escape(text)}</i></p>"


def mark(run: RunDict) -> str:
    """Return the coloured dot and the word for a run's state."""
    sign, colour = STATES.get(run["state"], STATES["queued"])
    return f'<span style="color:{colour}">{sign}</span> {escape(outcome(run))}'


def outcome(run: RunDict) -> str:
    """Return the word for a run's state: ``pruned`` if its search has ended it."""
    return "pruned" if is_pruned(run) else str(run["state"])


def is_pruned(run: RunDict) -> bool:
    """Tell whether a search has ended a run early."""
    return run["state"] in ENDED and run.get("pruned") is not None


def pruned_text(run: RunDict) -> str:
    """Write when a search has ended a run: ``pruned at step 3``."""
    return f"pruned at step {run['pruned']}" if is_pruned(run) else ""


def search_text(search: Mapping[str, Any]) -> str:
    """Write how far a search is: ``12 of 50 trials · tpe, hyperband · most val_accuracy``."""
    parts = [f"{search['asked']:,} of {search['trials']:,} trials"]
    ways = [search["search"], *[search["prune"]] * (search["prune"] != "none")]
    parts.append(", ".join(ways))
    if search["metric"]:
        parts.append(f"{'most' if search['mode'] == 'max' else 'least'} {search['metric']}")
    if search["state"] in ("cancelled", "lost"):
        parts.append(f"{search['state']}; go on: %lepton runs resume")
    if search["error"]:
        parts.append(str(search["error"]))
    return " · ".join(parts)


def params_text(params: Mapping[str, Any]) -> str:
    """Write a run's parameters on one line."""
    return " ".join(f"{key}={words.shortened(words.number(v), 24)}" for key, v in params.items())


def called(run: RunDict, but: Container[str | None] = ()) -> str:
    """Return a run's id, and its name if it was given one that is not among `but`."""
    name = run.get("name")
    return " ".join(dict.fromkeys(filter(None, [run["id"], None if name in but else name])))


def title(run: RunDict) -> str:
    """Return how a run is called, and its parameters."""
    return " ".join(filter(None, [called(run), params_text(run.get("params") or {})]))


def elapsed(run: RunDict, now: float | None = None) -> float | None:
    """Return the seconds that a run has taken so far, none while it is queued."""
    started, ended = run.get("started"), run.get("ended")
    if started is None:
        return None
    end = ended if ended is not None else (time.time() if now is None else now)
    return float(max(end - started, 0.0))


def span(run: RunDict, now: float | None = None) -> str:
    """Write how long a run has taken, or where it stands in the queue."""
    if run["state"] == "queued":
        place = run.get("place")
        return f"place {place} in the queue" if place else ""
    seconds = elapsed(run, now)
    return "" if seconds is None else words.duration(seconds)


def share_done(run: RunDict) -> float | None:
    """Return how far a run has come, from 0 to 1, if it says so."""
    if run["state"] == "done":
        return 1.0
    progress = run.get("progress") or {}
    epoch, epochs = progress.get("epoch"), progress.get("epochs")
    batch, batches = progress.get("batch"), progress.get("batches")
    inner = min(batch / batches, 1.0) if batch and batches else 0.0
    if epochs:
        return float(min((max((epoch or 1) - 1, 0) + inner) / epochs, 1.0))
    return float(inner) if batches else None


def progress_text(run: RunDict) -> str:
    """Write a run's progress: ``epoch 2 of 3 · batch 120 of 390``."""
    progress = run.get("progress") or {}
    parts = []
    for one, many in (("epoch", "epochs"), ("batch", "batches")):
        if progress.get(one) is not None:
            total = progress.get(many)
            parts.append(f"{one} {progress[one]}" + (f" of {total}" if total else ""))
    return " · ".join(parts)


def progress_short(run: RunDict) -> str:
    """Write a run's progress for a table's cell: ``epoch 2/3``."""
    progress = run.get("progress") or {}
    for one, many in (("epoch", "epochs"), ("batch", "batches")):
        if progress.get(one) is not None:
            total = progress.get(many)
            return f"{one} {progress[one]}" + (f"/{total}" if total else "")
    return ""


def step_name(run: RunDict) -> str:
    """Return what a run's steps count: Keras' epochs, or whatever `lepton.log` was called for."""
    return "epoch" if (run.get("progress") or {}).get("epoch") is not None else "step"


def bar(share: float, label: str) -> str:
    """Draw a progress bar; the text beside it says the same."""
    return f'<progress max="1" value="{share:.3f}" title="{escape(label)}"></progress>'


def metrics_text(metrics: Mapping[str, Any]) -> str:
    """Write last metrics on one line."""
    return " · ".join(f"{name} {words.number(value)}" for name, value in metrics.items())


def stream_text(run: RunDict) -> str:
    """Write how the data of a run came, and what would help if it waited for them."""
    streams = run.get("streams") or []
    if not streams:
        return ""
    main = max(streams, key=lambda report: report["samples"])
    told = f"data: {main['samples_per_second']:,.0f} samples/s, waited {main['waited_share']:.1%}"
    return f"{told}. {main['advice']}" if main["advice"] else told


def replicas_text(run: RunDict) -> str:
    """Write on which workers a run trains its model, and from where it would go on."""
    told = []
    ranks = run.get("replicas") or []
    if len(ranks) > 1:
        where = ", ".join(
            f"{rank['rank']} on {rank['worker']}"
            + (f" ({rank['state']})" if rank["state"] != run["state"] else "")
            for rank in ranks
        )
        told.append(f"{len(ranks)} replicas: {where}")
    if (kept := run.get("checkpoint")) and run["state"] != "done":
        within = f", batch {kept['batch']}" if kept["batch"] else ""
        told.append(f"checkpoint: epoch {kept['epoch'] + 1}{within}")
    return " · ".join(told)


def cost_text(run: RunDict) -> str:
    """Write what a run has cost, unless it is next to nothing."""
    cost = run.get("cost")
    return amounts.cost_text(cost) if cost and cost["energy_wh"] >= LEAST else ""


def estimate_text(run: RunDict) -> str:
    """Write what a run was estimated to take, and afterwards how far off that was."""
    told = run.get("estimate")
    if not told:
        return ""
    if run["state"] in ENDED:
        off = told["error"]
        seconds = words.duration(told["seconds"])
        return "" if off is None else f"estimated {seconds}, {off:.0%} off"
    return estimates_text([run])


def estimates_text(runs: Sequence[RunDict]) -> str:
    """Write what runs that have not ended are estimated to take, all together."""
    told = [run["estimate"] for run in runs if run.get("estimate")]
    if not told or len(told) < len(runs):
        return ""
    parts = [words.duration(sum(one["seconds"] for one in told))]
    if all(one["energy_wh"] is not None for one in told):
        parts.append(amounts.energy(sum(one["energy_wh"] for one in told)))
        parts.append(amounts.money(sum(one["money"] for one in told), told[0]["currency"]))
    count, off = told[0]["runs"], told[0]["typical_error"]
    by = f"by {count} earlier run{'s' * (count != 1)}"
    off_text = "" if off is None else f", whose estimates were {off:.0%} off"
    return f"estimated: {', '.join(parts)} ({by}{off_text})"


def points(rows: Rows, metric: str) -> list[tuple[float, float]]:
    """Pick one metric's course out of a history."""
    return [
        (float(row.get("step", count)), float(row[metric]))
        for count, row in enumerate(rows)
        if isinstance(row.get(metric), int | float)
    ]


def charts(rows: Rows, steps: str = "step") -> str:
    """Draw a run's loss, and beside it the first metric of which more is better, over `steps`."""
    names = list(dict.fromkeys(key for row in rows for key in row if key not in {"step", "t"}))
    first = leading(names)
    if first is None:
        return ""
    gains = [family(name) for name in names if is_score(name) and better(name) == "max"]
    shown = dict.fromkeys([family(first), *gains[:1]])
    return "".join(_family_chart(rows, base, steps) for base in shown)


def _family_chart(rows: Rows, base: str, steps: str) -> str:
    training = Series("training", points(rows, base))
    validation = Series("validation", points(rows, f"val_{base}"), COLOURS[1])
    return chart([training, validation], base, across=steps)
