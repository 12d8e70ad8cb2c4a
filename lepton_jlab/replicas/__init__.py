"""Many processes, one model: their places, their sums, and Keras in them."""

from lepton_jlab.replicas.group import all_reduce, rank, world

__all__ = ["all_reduce", "rank", "world"]
