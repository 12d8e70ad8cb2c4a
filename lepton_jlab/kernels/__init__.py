"""Kernels of notebooks that live on a cluster's workers, with the worker's device."""
