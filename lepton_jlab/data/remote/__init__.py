"""Datasets behind URLs (``http(s)://``, ``s3://``, ``gs://``), as fast as the link is."""

from __future__ import annotations

from lepton_jlab.data.remote.store import RemoteStore
from lepton_jlab.data.remote.transfer import Transfer

__all__ = ["RemoteStore", "Transfer"]
