"""Which share of the work is this process's, where several train one model on one dataset."""

from __future__ import annotations

from dataclasses import dataclass

from lepton_jlab.errors import UsageError


@dataclass(frozen=True, slots=True)
class Share:
    """The place of a process among those that share the work.

    Attributes
    ----------
    rank, world
        Its number, from 0, among so many.
    shards
        In how many parts each dataset is read. More than `world` where processes have been lost:
        the others then read their parts too, so that an epoch goes on as it was dealt.
    """

    rank: int = 0
    world: int = 1
    shards: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.rank < self.world <= self.shards:
            raise UsageError(f"{self} is no share: rank < world, and world at most shards.")

    @property
    def own(self) -> range:
        """The parts that this process reads."""
        return range(self.rank, self.shards, self.world)


_share = Share()


def share_work(share: Share) -> None:
    """Let batches made from now on without `rank` and `world` be those of `share`."""
    global _share
    _share = share


def share() -> Share:
    """Return this process's share: all the work, where none was set."""
    return _share
