"""Makes a report of what was counted, with one sentence on what would help."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from lepton_jlab.data.stream.report import PATIENCE, Clock, Meter, StreamReport

if TYPE_CHECKING:
    from lepton_jlab.data.stream.chunks import Chunks
    from lepton_jlab.data.stream.stored import Stored

_SHORT = 0.5  # seconds to the first batch that are not worth a word
_LARGE = 4  # a chunk should be less than this part of a window
_MB = 1e6


def report_of(
    stored: Sequence[Stored], number: int, epoch: int, clock: Clock, meter: Meter
) -> StreamReport:
    """Return the report of one epoch of a stream that reads the datasets in `stored`."""
    seconds = max(clock.seconds, 1e-9)
    share = clock.waited / seconds if clock.batches else 0.0
    worked = max(meter["read"] + meter["decode"] + meter["gather"], 1e-9)
    return StreamReport(
        dataset=", ".join(dict.fromkeys(one.dataset.name for one in stored)),
        stream=number,
        epoch=epoch,
        samples=clock.samples,
        batches=clock.batches,
        seconds=clock.seconds,
        waited=clock.waited,
        waited_share=share,
        first_batch=clock.first,
        samples_per_second=clock.samples / seconds,
        decoded_mb_per_second=meter["decoded"] / seconds / _MB,
        stored_mb_per_second=meter["stored"] / seconds / _MB,
        read=meter["read"] / worked,
        decode=meter["decode"] / worked,
        gather=meter["gather"] / worked,
        advice=_advice(stored, clock, meter) if share > PATIENCE else None,
    )


def _advice(stored: Sequence[Stored], clock: Clock, meter: Meter) -> str:
    """Return what would help most against waiting."""
    chunks = [chunks for one in stored for chunks in one.chunks.values()]
    largest = max(chunks, key=lambda one: one.nbytes, default=None)
    if meter["mapped"] > clock.seconds / 2:
        took = 1e3 * meter["mapped"] / max(1, clock.batches)
        return (
            f"The function given to map takes {took:.1f} ms a batch: make it faster, or store what "
            "it makes."
        )
    if largest is None:
        return "All is in memory already: a larger batch_size means fewer, longer steps."
    if clock.first > max(_SHORT, clock.waited * 0.8):
        return (
            f"Nearly all of it is the wait of {clock.first:.1f} s for the first batch, for which a "
            "window is read: a smaller memory= makes it shorter, more epochs make it matter less."
        )
    for one in stored:
        unit = max((c.length for c in one.chunks.values()), default=0)
        if one.shuffle and unit * _LARGE > one.order.window:
            return (
                f"A chunk of {unit:,} samples is a large part of a window of "
                f"{one.order.window:,}: give more memory=, or import with smaller chunks."
            )
    if meter["read"] >= max(meter["decode"], meter["gather"]):
        return _advice_on_reading(largest, clock, meter)
    if meter["decode"] >= meter["gather"]:
        if not all(one.fast for one in chunks):
            slow = next(one for one in chunks if not one.fast)
            return (
                f"{slow.name!r} is stored in a way that only zarr-python reads: import it again "
                "with --codec auto --for speed, and it is decoded in place."
            )
        rate = meter["decoded"] / max(meter["decode"], 1e-9) / _MB
        return (
            f"Decoding takes most, at {rate:,.0f} MB/s a core: import it again with --codec auto "
            "--for speed, or give it more cores."
        )
    return (
        "Gathering single samples takes most, as they are small: a larger batch_size or a "
        "smaller dtype helps; the codec does not."
    )


def _advice_on_reading(largest: Chunks, clock: Clock, meter: Meter) -> str:
    rate = meter["stored"] / max(clock.seconds, 1e-9) / _MB
    if largest.width is None:
        return (
            f"The disk gives {rate:,.0f} MB/s: import with a denser codec (--codec auto --for "
            "size), or move the dataset to a faster disk."
        )
    transfer: Any = largest.transfer
    latency = f", {1e3 * transfer.latency:.0f} ms a request" if transfer else ""
    return (
        f"The store is too far away: {rate:,.1f} MB/s{latency}. Keep a copy near by "
        'cache="10GiB", run where the data are, or import with a denser codec (--for size).'
    )
