"""What the machine, its GPUs, workers and runs use: sampled once a second, kept for an hour."""

from lepton_jlab.resources.sampler import Sampler, sampler

__all__ = ["Sampler", "sampler"]
