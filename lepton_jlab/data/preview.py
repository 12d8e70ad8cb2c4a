"""How a dataset looks in a notebook: its arrays, and a few samples as pictures or as a table."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from lepton_jlab.data import plots
from lepton_jlab.data.describe import codec_words, describe_array, storage_of
from lepton_jlab.errors import LeptonError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lepton_jlab.data.column import Column
    from lepton_jlab.data.dataset import Dataset

PICTURES = 10
ROWS = 5
CELLS = 8  # values of one sample that a table shows
LONGEST_SIDE = 96  # of a picture, in pixels
LINES = 5
LEAST_POINTS = 16  # of a sample that is drawn as a line; a shorter one is a row of a table
MOST_CURVES = 8  # side by side in one sample
LABELS = 200_000  # at most are read to count them
CLASSES = 100  # at most; more distinct integers are quantities

# The look of runs/views/page.py, from which nothing is imported here. Alignment is said at each
# cell: JupyterLab's own rule for tables in an output is as strong as one of these.
STYLE = """<style>
.lepton-ds{font:13px/1.5 var(--jp-ui-font-family,system-ui,sans-serif);max-width:920px;
color:var(--jp-ui-font-color1,inherit);padding:2px 0}
.lepton-ds .dim{color:var(--jp-ui-font-color2,#7d858f)}
.lepton-ds table{border-collapse:collapse;margin:6px 0;font-size:12px;width:auto}
.lepton-ds th,.lepton-ds td{padding:3px 10px 3px 0;border:0;white-space:nowrap;background:none;
font-variant-numeric:tabular-nums}
.lepton-ds th{font-weight:600;color:var(--jp-ui-font-color2,#7d858f)}
.lepton-ds tbody tr{border-top:1px solid var(--jp-border-color2,rgba(128,128,128,.28));
background:none!important}
.lepton-ds .pictures{display:flex;flex-wrap:wrap;gap:8px;margin-top:8px}
.lepton-ds figure{margin:0;width:72px;text-align:center}
.lepton-ds img{width:72px;height:72px;object-fit:contain;image-rendering:pixelated;margin:0;
background:var(--jp-layout-color2,#eee)}
.lepton-ds figure.line{width:150px}
.lepton-ds figure.line img,.lepton-ds .labels img{width:auto;height:auto;background:none}
.lepton-ds .labels{margin-top:10px}
.lepton-ds figcaption{font-size:11px;overflow:hidden;text-overflow:ellipsis;white-space:nowrap}
</style>"""


def html(dataset: Dataset) -> str:
    """Return the dataset as HTML; only the chunks of the first samples and of labels are read."""
    parts = [_summary(dataset), _arrays(dataset), _storage(dataset)]
    if len(dataset):
        for draw in (_samples, _label_counts):
            try:
                parts.append(draw(dataset))
            except LeptonError as error:  # a broken chunk must not hide the rest
                parts.append(f'<div class="dim">{escape(str(error))}</div>')
    return f'{STYLE}<div class="lepton-ds">{"".join(parts)}</div>'


def _summary(dataset: Dataset) -> str:
    words = [f"{len(dataset):,} samples"]
    if dataset.classes:
        words.append(f"{len(dataset.classes)} classes")
    words += [f"{name}: {len(dataset[name]):,}" for name in dataset.groups]
    if dataset.left_out:
        words.append(f"other arrays: {', '.join(dataset.left_out)}")
    about = escape(" · ".join(words))
    return f'<div><b>{escape(dataset.name)}</b> <span class="dim">{about}</span></div>'


def _arrays(dataset: Dataset) -> str:
    """Draw the table of arrays, those of datasets inside too, and below it what is wrong."""
    rows: list[Sequence[str]] = []
    notes = []
    for path, column in _columns(dataset, ""):
        known = describe_array(column.name, column.zarr)
        stored, ratio = known["stored_bytes"], known["ratio"]
        sizes = (_bytes(column.nbytes), "" if stored is None else _bytes(stored))
        chunk = f"{_times(column.zarr.chunks)} ({_bytes(known['chunk_bytes'])})"
        if known["shards"]:
            chunk += f" in shards of {known['shards'][0]:,}"
        shapes = (_times(column.shape), str(column.dtype), chunk, codec_words(known["codecs"]))
        count = f"{known['chunk_count']:,}"
        rows.append([path, *shapes, count, *sizes, f"{ratio:.3g}" if ratio else ""])
        if known["verdict"]:
            notes.append(f"<div><b>{escape(path)}</b>: {escape(known['verdict'])}</div>")
    header = ["array", "shape", "type", "chunk", "codec", "chunks", "size", "stored", "ratio"]
    return _grid(header, rows, right=5) + "".join(notes)


def _storage(dataset: Dataset) -> str:
    """Draw what the dataset takes after each step, and where that is; nothing where it is a URL."""
    sizes = storage_of(dataset)
    if sizes is None:
        return ""
    from lepton_jlab.data.tiers.overview import figures

    place = figures(dataset.path)
    count = sizes["versions"]
    rows = [
        ("original", _bytes(sizes["original_bytes"]), ""),
        ("compressed", _bytes(sizes["compressed_bytes"]), _ratio(sizes["ratio_compression"])),
        ("deduplicated", _bytes(sizes["deduplicated_bytes"]), _ratio(sizes["ratio_dedup"])),
        ("together", "", _ratio(sizes["ratio"])),
    ]
    name = f"storage, with {count} version{'s' * (count != 1)}" if count else "storage"
    tiers = ", ".join(f"{tier} {_bytes(size)}" for tier, size in sizes["tiers"].items())
    where = f" in {place['where']}" if place["where"] else ""
    about = f"{tiers}{where} · importance {place['importance']} · score {place['score']:.1f}"
    if place["money_per_month"] is not None:
        about += f" · {place['money_per_month']:.2g} {place['currency']} a month"
    note = f'<div class="dim">{escape(about)}</div>'
    return _grid([name, "size", "ratio"], rows, right=1) + note


def _ratio(ratio: float | None) -> str:
    return f"{ratio:.3g}" if ratio else ""


def _columns(dataset: Dataset, within: str) -> Iterator[tuple[str, Column]]:
    for column in dataset.arrays.values():
        yield within + column.name, column
    for name in dataset.groups:
        yield from _columns(dataset[name], f"{within}{name}/")


def _grid(header: Sequence[str], rows: Iterable[Sequence[str]], right: int = 1000) -> str:
    """Draw a table; from the column `right` on there are numbers, which end in line."""

    def line(kind: str, texts: Sequence[str]) -> str:
        sides = ("right" if i >= right else "left" for i in range(len(texts)))
        cells = (
            f'<{kind} style="text-align:{side}">{escape(text)}</{kind}>'
            for side, text in zip(sides, texts, strict=True)
        )
        return f"<tr>{''.join(cells)}</tr>"

    body = "".join(line("td", row) for row in rows)
    return f"<table><thead>{line('th', header)}</thead><tbody>{body}</tbody></table>"


def _samples(dataset: Dataset) -> str:
    picture = _input(dataset, is_picture)
    if picture is not None:
        return _pictures(dataset, picture)
    series = _input(dataset, is_series)
    if series is not None:
        return _lines(dataset, series)
    return _table(dataset)


def _pictures(dataset: Dataset, column: Column) -> str:
    images = column.read(0, min(PICTURES, len(dataset)))
    low, high = limits(images)
    drawn = []
    for image in images:
        src = base64.b64encode(png(image, low, high)).decode()
        drawn.append(f'<img src="data:image/png;base64,{src}" alt="">')
    return _figures(drawn, _labels(dataset, PICTURES), "picture")


def _lines(dataset: Dataset, column: Column) -> str:
    samples = column.read(0, min(LINES, len(dataset)))
    samples = samples.reshape(*samples.shape[:2], -1)
    low, high = plots.limits(samples)
    drawn = [plots.line(sample, low, high) for sample in samples]
    between = f"{column.name} between {_number(low)} and {_number(high)}"
    return (
        _figures(drawn, _labels(dataset, LINES), "line")
        + f'<div class="dim">{escape(between)}</div>'
    )


def _figures(drawn: Iterable[str], labels: Iterable[str], kind: str) -> str:
    figures = []
    for image, label in zip(drawn, labels, strict=True):
        text = escape(label)
        named = image.replace('alt=""', f'alt="{text}"', 1)
        caption = f'<figcaption title="{text}">{text}</figcaption>'
        figures.append(f'<figure class="{kind}">{named}{caption}</figure>')
    return f'<div class="pictures">{"".join(figures)}</div>'


def _label_counts(dataset: Dataset) -> str:
    """Draw how many samples each class has, or how numbers to predict are distributed."""
    name = dataset.roles.get("y")
    if name is None:
        return ""
    column = dataset.arrays[name]
    if column.shape[1:] not in ((), (1,)) or column.dtype.kind not in "biuf":
        return ""
    values = column.read(0, min(LABELS, len(column))).reshape(-1)
    few = "the first " if len(values) < len(column) else ""
    title = f"{name} of {few}{len(values):,} samples"
    drawn = ""
    if column.dtype.kind == "f":
        drawn = plots.histogram(values, title)
    else:
        numbers, counts = np.unique(values, return_counts=True)
        if 1 < len(numbers) <= CLASSES:
            names = [label(number, dataset.classes) for number in numbers]
            drawn = plots.class_bars(counts.tolist(), names, title)
    return f'<div class="labels">{drawn}</div>' if drawn else ""


def is_picture(column: Column) -> bool:
    """Whether samples are of the shape and type of images, (height, width[, 1, 3 or 4])."""
    shape = column.shape[1:]
    if column.dtype != np.uint8 and column.dtype.kind != "f":
        return False
    colours = len(shape) == 2 or (len(shape) == 3 and shape[2] in (1, 3, 4))
    return colours and min(shape[:2]) >= 8 and max(shape[:2]) <= 4096


def is_series(column: Column) -> bool:
    """Whether samples are courses of numbers, (length[, curves]), long enough to be drawn."""
    shape = column.shape[1:]
    few = len(shape) == 1 or (len(shape) == 2 and shape[1] <= MOST_CURVES)
    return column.dtype.kind in "iuf" and few and shape[0] >= LEAST_POINTS


def png(image: NDArray[Any], low: float, high: float, longest: int = LONGEST_SIDE) -> bytes:
    """Return an image of shape (height, width[, channels]) as a PNG file.

    `low` becomes black and `high` white; a side longer than `longest` pixels is made that long.
    """
    from PIL import Image

    pixels = np.nan_to_num(image.astype(np.float32), nan=low)
    scaled = np.clip((pixels - low) / ((high - low) or 1) * 255, 0, 255).astype(np.uint8)
    picture = Image.fromarray(scaled[..., 0] if scaled.shape[2:] == (1,) else scaled)
    picture.thumbnail((longest, longest))
    file = io.BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()


def limits(images: NDArray[Any]) -> tuple[float, float]:
    """Return which values are drawn black and white."""
    if images.dtype == np.uint8:
        return 0, 255
    finite = images[np.isfinite(images)]
    if not len(finite):
        return 0, 1
    low, high = float(finite.min()), float(finite.max())
    return (0, 1) if low >= 0 and 0.5 < high <= 1 else (low, high)


def _input(dataset: Dataset, is_kind: Callable[[Column], bool]) -> Column | None:
    """Return the inputs if they are of a kind; where no array is x, the first that is."""
    first = dataset.roles.get("x")
    columns = [dataset.arrays[first]] if first else list(dataset.arrays.values())
    return next((column for column in columns if is_kind(column)), None)


def _labels(dataset: Dataset, count: int) -> list[str]:
    count = min(count, len(dataset))
    name = dataset.roles.get("y")
    if name is None or dataset.arrays[name].ndim > 2:
        return [""] * count
    return [label(value, dataset.classes) for value in dataset.arrays[name].read(0, count)]


def label(value: Any, classes: list[str] | None) -> str:
    if np.ndim(value) == 1:
        if len(value) != 1 and not (classes and len(value) == len(classes)):
            return values(value)
        value = value[0] if len(value) == 1 else np.argmax(value)
    if classes and np.issubdtype(type(value), np.integer) and 0 <= value < len(classes):
        return classes[int(value)]
    return _number(value)


def _table(dataset: Dataset) -> str:
    count = min(ROWS, len(dataset))
    columns: Mapping[str, list[str]] = {
        name: _labels(dataset, count)
        if name == dataset.roles.get("y")
        else [values(value) for value in column.read(0, count)]
        for name, column in dataset.arrays.items()
    }
    return _grid(list(columns), zip(*columns.values(), strict=True))


def values(value: Any) -> str:
    flat = np.ravel(value)
    more = " …" if len(flat) > CELLS else ""
    return "  ".join(_number(v) for v in flat[:CELLS]) + more


def _number(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, (float, np.floating)) else str(value)[:60]


def _times(shape: tuple[int, ...]) -> str:
    return " \N{MULTIPLICATION SIGN} ".join(f"{n:,}" for n in shape)


def _bytes(size: float) -> str:
    if size < 1000:
        return f"{size:.0f} bytes"
    for unit in ("kB", "MB", "GB", "TB"):
        size /= 1000
        if size < 999.95 or unit == "TB":
            break
    return f"{size:.1f} {unit}"
