"""What streaming cost: how fast, how long training waited, why, and what would help."""

from __future__ import annotations

import threading
import time
from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any

PATIENCE = 0.05  # share of the time that training may wait before a report gives advice


class Meter:
    """Counts what is done for a stream; any thread may add to it.

    ``read``, ``decode``, ``gather`` and ``mapped`` are seconds, of all threads together; ``stored``
    and ``decoded`` are bytes.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._included: list[Meter] = []

    def add(self, **amounts: float) -> None:
        """Add seconds and bytes."""
        with self._lock:
            for name, amount in amounts.items():
                self._counts[name] += amount  # type: ignore[assignment]

    def include(self, other: Meter) -> None:
        """Count what another counts, too."""
        self._included.append(other)

    def __getitem__(self, name: str) -> float:
        return self._counts[name] + sum(other[name] for other in self._included)


class Clock:
    """Tells the time in which the consumer waited for batches from the time in which it worked."""

    def __init__(self) -> None:
        self._start: float | None = None
        self._end = 0.0
        self._since = self._told = 0.0
        self.first = self.waited = 0.0
        self.samples = self.batches = 0

    def ask(self) -> None:
        """Note that the consumer asks for a batch."""
        self._since = time.perf_counter()
        if self._start is None:
            self._start = self._told = self._since

    def give(self, samples: int) -> None:
        """Note that it gets one."""
        self._end = time.perf_counter()
        if not self.batches:
            self.first = self._end - self._since
        self.waited += self._end - self._since
        self.batches += 1
        self.samples += samples

    def due(self, interval: float) -> bool:
        """Whether `interval` seconds have gone since this was last true, or the beginning."""
        if self._end - self._told < interval:
            return False
        self._told = self._end
        return True

    @property
    def seconds(self) -> float:
        """From the first question to the last answer."""
        return 0.0 if self._start is None else self._end - self._start


@dataclass(frozen=True, slots=True)
class StreamReport:
    """How the newest epoch of a stream went, or goes.

    Attributes
    ----------
    dataset, stream
        Names of the datasets, and which of the streams of this process it is, counted from 1.
    epoch, samples, batches
        Which epoch, and what it has given out so far.
    seconds
        From the first batch asked for to the last one given.
    waited, waited_share
        Seconds of these, and their share, in which the consumer waited for batches.
    first_batch
        Seconds until the first batch, a part of `waited`.
    samples_per_second, decoded_mb_per_second, stored_mb_per_second
        Rates over `seconds`; 1 MB = 10**6 bytes.
    read, decode, gather
        Shares of the readers' time; their sum is 1.
    advice
        One sentence if the consumer waited for more than 5 %, else None.
    """

    dataset: str
    stream: int
    epoch: int
    samples: int
    batches: int
    seconds: float
    waited: float
    waited_share: float
    first_batch: float
    samples_per_second: float
    decoded_mb_per_second: float
    stored_mb_per_second: float
    read: float
    decode: float
    gather: float
    advice: str | None

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON-ready values."""
        return asdict(self)

    def __str__(self) -> str:
        text = (
            f"{self.samples_per_second:,.0f} samples/s, {self.decoded_mb_per_second:,.0f} MB/s "
            f"decoded; training waited {self.waited_share:.1%} of {self.seconds:.1f} s; reading "
            f"{self.read:.0%}, decoding {self.decode:.0%}, gathering {self.gather:.0%}"
        )
        return f"{text}. {self.advice}" if self.advice else text
