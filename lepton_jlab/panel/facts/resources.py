"""How busy the machine, its GPUs, the workers and the runs are, now and in the last hour."""

from __future__ import annotations

import time
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

from lepton_jlab.panel.facts.links import link_table
from lepton_jlab.panel.figures import BLUE, GREEN, ORANGE, TEAL, VIOLET, Values, bar, strip
from lepton_jlab.resources import sampler
from lepton_jlab.runs import words
from lepton_jlab.runs.views import page
from lepton_jlab.runs.views.table import Cell, Table

Sample = Mapping[str, Any]
Series = Mapping[str, Any]

_FIRST = 1.0  # s that the first sample may take
_SMALL = (96, 18)  # pixels of a strip in a table
_CARDS = "display:grid;grid-template-columns:repeat(auto-fill,minmax(170px,1fr));gap:10px 22px"
_DIM = "color:var(--jp-ui-font-color2,#7d858f)"


class Resources:
    """What this process's sampler has seen."""

    def __init__(self, cluster: str | None = None) -> None:
        self._cluster = cluster
        self._sampler = sampler()
        self._sampler.start()
        self.seconds = 60  # of history
        self.sample: Sample = {}
        self.history: dict[str, Any] = {"interval": 1.0, "t": [], "series": {}}

    def read(self) -> None:
        """Take the newest sample and the history up to it."""
        end = time.monotonic() + _FIRST
        while (sample := self._sampler.latest()) is None and time.monotonic() < end:
            time.sleep(0.02)
        self.sample = sample or {}
        self.history = self._sampler.history(self.seconds)

    def mark(self) -> Hashable:
        """Return nothing: figures that change all the time are no news for a notebook's file."""
        return bool(self.sample)

    def html(self) -> str:
        """Draw everything, as images that stay."""
        parts = [self.host_html(still=True), self.workers_html(still=True)]
        return page.frame(*parts, self.runs_html(still=True), self.links_html())

    def host_html(self, *, still: bool = False) -> str:
        """Draw the machine: processor, memory, disk, network, each GPU, or why there is none."""
        host = self.sample.get("host")
        if host is None:
            return page.note("Measuring…")
        cpu = host["cpu"]
        cards = [
            self._card("CPU", _percent(cpu), "", cpu / 100, "host.cpu", 100, still),
            self._memory("memory", host["memory"], "host.memory", still),
            self._rates("disk", host["disk"][:2], ("read", "write"), "host.disk", ORANGE, still),
            self._rates("network", host["network"], ("in", "out"), "host.network", TEAL, still),
        ]
        for gpu in host["gpus"]:
            cards += self._gpu(gpu, still=still)
        drawn = f'<div style="{_CARDS}">{"".join(cards)}</div>'
        message = self.history.get("message")
        return drawn + (page.note(message) if message and not host["gpus"] else "")

    def workers_html(self, *, still: bool = False) -> str:
        """Draw each worker: its processor time, its memory, what it runs."""
        rows = self._workers()
        if not rows:
            return page.note("No workers: no cluster runs.")
        table = Table(["worker", "device", "CPU", "", "memory", "", "run"], frozenset({2, 4}))
        for key, worker in rows.items():
            cpu, (used, limit) = worker["cpu"], worker["memory"]
            table.rows.append(
                [
                    Cell(key),
                    Cell(str(worker.get("device") or "")),
                    Cell(_percent(cpu)),
                    self._spark(f"worker.{key}.cpu", "CPU", BLUE, 100, still),
                    Cell(_of(used, limit)),
                    self._spark(f"worker.{key}.memory", "memory", VIOLET, limit, still),
                    Cell(", ".join(worker.get("runs", ())) or "free"),
                ]
            )
        return table.html()

    def runs_html(self, *, still: bool = False) -> str:
        """Draw what each run takes."""
        rows = self._runs()
        if not rows:
            return page.note("No run is executing.")
        table = Table(["run", "CPU", "", "memory", "", "GPU memory"], frozenset({1, 3, 5}))
        for key, run in rows.items():
            table.rows.append(
                [
                    Cell(key),
                    Cell(_percent(run["cpu"])),
                    self._spark(f"run.{key}.cpu", "CPU", BLUE, None, still),
                    Cell(words.size(run["memory"])),
                    self._spark(f"run.{key}.memory", "memory", VIOLET, None, still),
                    Cell("" if run.get("gpu_memory") is None else words.size(run["gpu_memory"])),
                ]
            )
        return table.html()

    def text(self) -> str:
        """Write everything, with bars of blocks."""
        host = self.sample.get("host")
        if host is None:
            return "Measuring…"
        used, total = host["memory"]
        read, write = host["disk"][:2]
        into, out = host["network"]
        lines = [
            f"CPU      {_blocks(host['cpu'] / 100)} {host['cpu']:3.0f} %",
            f"memory   {_blocks(used / total)} {_of(used, total)}",
            f"disk     read {_rate(read)}, write {_rate(write)}",
            f"network  in {_rate(into)}, out {_rate(out)}",
        ]
        for gpu in host["gpus"]:
            used, total = gpu["memory"]
            use = float(gpu["use"] or 0)  # None: divided into MIG instances, it does not tell
            known = [f"{use:3.0f} %", _of(used, total), *_heat(gpu)]
            lines.append(f"GPU {gpu['index']:<4} {_blocks(use / 100)} {', '.join(known)}")
        if (message := self.history.get("message")) and not host["gpus"]:
            lines.append(message)
        tables = [self._table().text(), self._links().text()]
        return "\n\n".join(filter(None, ["\n".join(lines), *tables]))

    def document(self) -> Sample:
        """Return the newest sample."""
        return self.sample

    def links_html(self) -> str:
        """Draw the links between places; nothing where all workers are at one."""
        table = self._links()
        return table.html() if table.rows else ""

    def _links(self) -> Table:
        table = link_table(self.sample.get("links") or {}, self._cluster)
        return table if table.rows else Table([])

    def _table(self) -> Table:
        table = Table(["worker or run", "CPU", "memory", "run"], frozenset({1, 2}))
        for key, worker in self._workers().items():
            told = (
                key,
                _percent(worker["cpu"]),
                _of(*worker["memory"]),
                ", ".join(worker.get("runs", ())) or "free",
            )
            table.rows.append([Cell(text) for text in told])
        for key, run in self._runs().items():
            told = (key, _percent(run["cpu"]), words.size(run["memory"]), "")
            table.rows.append([Cell(text) for text in told])
        return table if table.rows else Table([])

    def _workers(self) -> dict[str, Any]:
        workers: Mapping[str, Any] = self.sample.get("workers") or {}
        return {
            key: worker
            for key, worker in workers.items()
            if self._cluster in (None, key.rpartition("/")[0])
        }

    def _runs(self) -> dict[str, Any]:
        shown: Mapping[str, Any] = self.sample.get("runs") or {}
        if self._cluster is None:
            return dict(shown)
        there = {run for worker in self._workers().values() for run in worker.get("runs", ())}
        return {key: run for key, run in shown.items() if key in there}

    def _gpu(self, gpu: Mapping[str, Any], *, still: bool) -> list[str]:
        name, use = f"GPU {gpu['index']}", float(gpu["use"] or 0)
        about = ", ".join([gpu["name"], *_heat(gpu)])
        series = f"gpu.{gpu['index']}"
        return [
            self._card(name, f"{use:.0f} %", about, use / 100, f"{series}.use", 100, still, GREEN),
            self._memory(f"{name} memory", gpu["memory"], f"{series}.memory", still),
        ]

    def _memory(self, label: str, amounts: Sequence[float], series: str, still: bool) -> str:
        used, total = amounts
        share = used / total if total else None
        said = words.size(int(used))
        about = f"of {words.size(int(total))}" if total else ""
        return self._card(label, said, about, share, series, total or None, still, VIOLET)

    def _rates(
        self,
        label: str,
        rates: Sequence[float],
        ways: tuple[str, str],
        series: str,
        colour: str,
        still: bool,
    ) -> str:
        about = ", ".join(f"{way} {_rate(rate)}" for way, rate in zip(ways, rates, strict=True))
        both = [self._values(f"{series}_{way}") for way in ways]
        values = [
            None if a is None and b is None else (a or 0) + (b or 0)
            for a, b in zip(*both, strict=True)
        ]
        drawn = self._strip(values, f"{label}: {about}", colour, still=still)
        return _card(label, _rate(sum(rates)), about, "", drawn)

    def _card(
        self,
        label: str,
        said: str,
        about: str,
        share: float | None,
        series: str,
        ceiling: float | None,
        still: bool,
        colour: str = BLUE,
    ) -> str:
        alt = f"{label}: {said}"
        drawn = self._strip(self._values(series), alt, colour, ceiling=ceiling, still=still)
        return _card(label, said, about, bar(share, alt, colour, scarce=colour == VIOLET), drawn)

    def _spark(
        self, series: str, label: str, colour: str, ceiling: float | None, still: bool
    ) -> Cell:
        values = self._values(series)
        drawn = self._strip(values, label, colour, ceiling=ceiling, size=_SMALL, still=still)
        return Cell("", drawn)

    def _strip(self, values: Values, label: str, colour: str, **more: Any) -> str:
        across = round(self.seconds / self.history["interval"])
        return strip(values, label, colour, across=across, **more)

    def _values(self, series: str) -> Values:
        values: Values = self.history["series"].get(series) or [None] * len(self.history["t"])
        return values


def _card(label: str, said: str, about: str, share: str, drawn: str) -> str:
    head = f'<div style="display:flex"><span style="{_DIM}">{label}</span>'
    value = f'<b style="margin-left:auto">{said}</b></div>'
    detail = f'<div style="{_DIM};font-size:11px;min-height:17px">{about}</div>'
    gauge = f'<div style="min-height:5px">{share}</div>'
    return f'<div class="lepton-card">{head}{value}{gauge}{drawn}{detail}</div>'


def _heat(gpu: Mapping[str, Any]) -> list[str]:
    known = []
    if gpu.get("power") is not None:
        limit = gpu.get("power_limit")
        known.append(f"{gpu['power']:.0f}" + (f" of {limit:.0f} W" if limit else " W"))
    if gpu.get("temperature") is not None:
        known.append(f"{gpu['temperature']:.0f} °C")
    return known


def _percent(value: float | None) -> str:
    return "" if value is None else f"{value:.0f} %"


def _of(used: float, limit: float | None) -> str:
    said = words.size(int(used))
    return f"{said} of {words.size(int(limit))}" if limit else said


def _rate(speed: float) -> str:
    return f"{words.size(int(speed))}/s"


def _blocks(share: float, width: int = 24) -> str:
    full = round(min(max(share, 0.0), 1.0) * width)
    return f"[{'|' * full}{' ' * (width - full)}]"
