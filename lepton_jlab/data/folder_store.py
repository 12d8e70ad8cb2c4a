"""A folder on this machine whose files are as long as their readers expect, or an error."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zarr.abc.store import RangeByteRequest
from zarr.storage import LocalStore

if TYPE_CHECKING:
    from zarr.abc.store import ByteRequest
    from zarr.core.buffer import Buffer, BufferPrototype


class FolderStore(LocalStore):
    """A `zarr.storage.LocalStore` that refuses a range beyond the end of a file.

    zarr takes an empty range for a chunk that is not there and gives its fill value (seen in
    3.1.6): wrong values without a word from a shard that was cut off, or that was replaced by a
    shorter one between the reading of its index and of its chunks.
    """

    async def get(
        self,
        key: str,
        prototype: BufferPrototype | None = None,
        byte_range: ByteRequest | None = None,
    ) -> Buffer | None:
        """Return bytes, or None if there is no such key; OSError if the file ends before them."""
        found = await super().get(key, prototype, byte_range)
        if isinstance(byte_range, RangeByteRequest) and found is not None:
            missing = byte_range.end - byte_range.start - len(found)
            if missing:
                raise OSError(
                    f"{self.root / key} ends {missing} bytes before the end of a chunk: "
                    "it was cut off, or replaced while it was read"
                )
        return found
