"""Which names of the notebook a cell uses, and how they come along."""

from lepton_jlab.runs.capture.bring import LIMIT, Captured, capture, load
from lepton_jlab.runs.capture.names import Names, analyse, check_sweep

__all__ = ["LIMIT", "Captured", "Names", "analyse", "capture", "check_sweep", "load"]
