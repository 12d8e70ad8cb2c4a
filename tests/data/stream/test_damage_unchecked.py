"""Damage that no checksum guards against costs an error or wrong values, never the process."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

pytestmark = [pytest.mark.integration, pytest.mark.fault]

SPOIL = """
    import random, sys
    from pathlib import Path
    import numcodecs, numpy as np, zarr
    from zarr.codecs import BloscCodec, BytesCodec, GzipCodec, ShardingCodec, ZstdCodec
    from lepton_jlab.data import open_dataset
    from lepton_jlab.data.stream.batches import Batches
    from lepton_jlab.data.stream.stored import Stored
    from lepton_jlab.errors import DataError

    folder, seed = Path(sys.argv[1]), int(sys.argv[2])
    rng = random.Random(seed)
    x = np.random.default_rng(seed).integers(0, 9, (64, 40)).astype("i4")
    sharded = ShardingCodec(
        chunk_shape=(16, 40), codecs=[BytesCodec(), ZstdCodec()], index_codecs=[BytesCodec()]
    )
    ways = [
        {"compressors": BloscCodec(cname=name, shuffle=shuffle)}
        for name in ("lz4", "zstd", "blosclz", "zlib") for shuffle in ("shuffle", "bitshuffle")
    ] + [
        {"compressors": ZstdCodec()}, {"compressors": GzipCodec()},
        {"chunks": (32, 40), "compressors": None, "serializer": sharded},
    ] + [
        {"zarr_format": 2, "compressors": codec}
        for codec in (numcodecs.LZ4(), numcodecs.Zlib(), numcodecs.BZ2(), numcodecs.LZMA())
    ]
    errors = values = 0
    for number, way in enumerate(ways):
        path = folder / f"{number}.zarr"
        group = zarr.create_group(str(path), zarr_format=way.pop("zarr_format", 3))
        group.create_array("x", shape=x.shape, dtype="i4", **{"chunks": (16, 40)} | way)[:] = x
        files = [f for f in path.rglob("*") if f.is_file() and f.name[0].isdigit()]
        for _ in range(60):
            file = rng.choice(files)
            whole = file.read_bytes()
            spoiled = bytearray(whole)
            for _ in range(rng.choice([1, 1, 3, 20])):
                head = rng.random() < 0.5  # what says how long all is
                place = rng.randrange(min(len(whole), 32) if head else len(whole))
                spoiled[place] = rng.randrange(256)
            if rng.random() < 0.3:
                del spoiled[rng.randrange(len(whole)):]
            file.write_bytes(spoiled)
            print(number, file.name, spoiled[:16].hex(), len(spoiled), flush=True)
            try:
                batches = Batches(Stored(open_dataset(path), 8, True, 0, 0, 1, False, 1 << 20))
                assert sum(len(b) for b in batches.numpy()) == 64
                values += 1
            except DataError:
                errors += 1
            file.write_bytes(whole)
    print("done", errors, values)
"""


@pytest.mark.parametrize("seed", range(3))
def test_no_damage_ends_the_process(tmp_path: Path, seed: int) -> None:
    process = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(SPOIL), str(tmp_path), str(seed)],
        capture_output=True,
        text=True,
        timeout=120,
    )
    last = process.stdout.splitlines()[-1]
    assert process.returncode == 0, f"{last}\n{process.stderr[-2000:]}"
    done, errors, values = last.split()
    assert (done, int(errors) + int(values)) == ("done", 15 * 60)
    assert int(errors) > 300
