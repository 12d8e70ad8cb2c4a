"""Streams that do with small datasets what others do with large ones."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from data.stream.storing import read_by_chunks


@pytest.fixture(scope="module")
def by_chunks() -> Iterator[None]:
    """Read each array by chunks, the smallest too."""
    with pytest.MonkeyPatch.context() as patch:
        read_by_chunks(patch)
        yield
