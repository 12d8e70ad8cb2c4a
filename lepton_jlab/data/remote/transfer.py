"""What a remote store has delivered so far, and what its link is like."""

from __future__ import annotations

import threading


class Transfer:
    """Counters that only grow, and estimates; readable from any thread.

    Attributes
    ----------
    requests
        Requests made, the repeated ones included.
    bytes
        Bytes delivered by them.
    retries
        Requests made again because the first failed or took far longer than usual.
    waited
        Seconds spent in requests, added up over those under way at the same time.
    hits
        Answers that came from the cache on disk instead.
    latency
        Seconds from a request to the first byte of its answer, when the link is not busy; 0 before
        the first.
    bandwidth
        Bytes a second that the link gave lately; 0 before it is known.
    concurrency
        Requests that may be under way at the same time now.
    """

    _FORGETTING = 0.02  # how fast a latency seen once gives way to longer ones
    _SLACKENING = 0.2  # and a bandwidth to lower ones

    def __init__(self) -> None:
        self.requests = 0
        self.bytes = 0
        self.retries = 0
        self.waited = 0.0
        self.hits = 0
        self.latency = 0.0
        self.bandwidth = 0.0
        self.concurrency = 0
        self._lock = threading.Lock()

    def count(
        self,
        *,
        requests: int = 0,
        size: int = 0,
        retries: int = 0,
        waited: float = 0.0,
        hits: int = 0,
    ) -> None:
        """Add to the counters; `size` is in bytes, `waited` in seconds."""
        with self._lock:
            self.requests += requests
            self.bytes += size
            self.retries += retries
            self.waited += waited
            self.hits += hits

    def saw_latency(self, seconds: float) -> None:
        """Take in the latency of one request: the shortest counts, longer ones slowly."""
        if self.latency and seconds > self.latency:
            seconds = self.latency + self._FORGETTING * (seconds - self.latency)
        self.latency = seconds

    def saw_rate(self, rate: float, busy: bool) -> None:
        """Take in the bytes a second of a while; a low rate says little of a link not `busy`."""
        if rate > self.bandwidth:
            self.bandwidth = (self.bandwidth + rate) / 2 if self.bandwidth else rate
        elif busy:
            self.bandwidth += self._SLACKENING * (rate - self.bandwidth)
