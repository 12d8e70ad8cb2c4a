"""Codecs: what is written comes back, with other readers too, and a trial measures what is so."""

from __future__ import annotations

import warnings
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from lepton_jlab import grammar
from lepton_jlab.data import import_dataset
from lepton_jlab.data.codecs import CODECS, candidates, codec_named
from lepton_jlab.data.rounding import check_max_error, rounded
from lepton_jlab.data.trial import GOALS, Measured, choose, cost, sample_chunks, try_codecs
from lepton_jlab.errors import UsageError

RNG = np.random.default_rng(0)
WALKS = np.cumsum(RNG.integers(-3, 4, (300, 40)), axis=1)
PORTABLE = [name for name, codec in CODECS.items() if codec.portable]


def read_elsewhere(path: Path) -> np.ndarray[Any, Any]:
    """Read an array with tensorstore, which shares no code with zarr-python."""
    tensorstore = pytest.importorskip("tensorstore")
    spec = {"driver": "zarr3", "kvstore": {"driver": "file", "path": str(path)}}
    values: np.ndarray[Any, Any] = tensorstore.open(spec).result().read().result()
    return values


def test_the_grammar_has_the_same_words() -> None:
    assert ("auto", *CODECS) == grammar.CODECS
    assert set(grammar.GOALS) == set(GOALS)


@pytest.mark.parametrize("shard", ["none", "128"])
@pytest.mark.parametrize("name", PORTABLE)
def test_portable_codecs_are_read_by_others(tmp_path: Path, name: str, shard: str) -> None:
    arrays = {kind: WALKS.astype(kind) for kind in ("u1", "i2", "f4", "f8", "c8", "?")}
    np.savez(tmp_path / "a.npz", **arrays)
    out = tmp_path / "a.zarr"
    ds = import_dataset(tmp_path / "a.npz", out, codec=name, chunk=64, shard=shard)
    for kind, values in arrays.items():
        assert np.array_equal(read_elsewhere(out / kind), values)
        assert np.array_equal(ds.arrays[kind][:], values)
    assert all(array["checksum"] for array in ds.info()["arrays"])


@pytest.mark.filterwarnings("ignore:Numcodecs codecs are not")  # that others read it is not said
def test_delta_is_for_integers_and_for_zarr_python(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", small=WALKS.astype("u1"), wide=WALKS, real=WALKS.astype("f4"))
    ds = import_dataset(tmp_path / "a.npz", tmp_path / "a.zarr", codec="delta-zstd")
    used = {array["name"]: array["codecs"][0]["name"] for array in ds.info()["arrays"]}
    assert used == {"small": "numcodecs.delta", "wide": "numcodecs.delta", "real": "bytes"}
    assert np.array_equal(ds.arrays["small"][:], WALKS.astype("u1"))
    assert np.array_equal(ds.arrays["wide"][:], WALKS)
    np.save(tmp_path / "b.npy", WALKS.astype("f4"))
    with pytest.raises(UsageError, match=r"delta-zstd is exact for integers alone.*x float32"):
        import_dataset(tmp_path / "b.npy", tmp_path / "b.zarr", codec="delta-zstd")


@pytest.mark.parametrize("name", ["none", "blosc-lz4-bitshuffle", "zstd", "gzip"])
def test_text_and_times_come_back(tmp_path: Path, name: str) -> None:
    words = np.array(["", "ä", "a longer word"] * 50)
    times = np.arange(150).astype("datetime64[s]")
    np.savez(tmp_path / "a.npz", words=words, times=times, spans=times - times[0])
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # whoever imports cannot do anything about them
        ds = import_dataset(tmp_path / "a.npz", tmp_path / "a.zarr", codec=name)
    assert ds.arrays["words"][:].tolist() == words.tolist()
    assert np.array_equal(ds.arrays["times"][:], times)
    assert np.array_equal(ds.arrays["spans"][:], times - times[0])


def test_an_unknown_codec_gets_a_suggestion() -> None:
    with pytest.raises(UsageError, match=r"no codec 'zst'. Did you mean 'zstd'"):
        codec_named("zst")


# ---- the trial


@pytest.mark.parametrize("kind", ["u1", "i4", "f4", "f8", "c8", "M8[s]", "?", "U"])
def test_a_trial_measures_what_is_stored(tmp_path: Path, kind: str) -> None:
    values = WALKS.astype(np.int64).astype(kind)
    trial = try_codecs(values, 300)
    assert {one.codec for one in trial.codecs} == {c.name for c in candidates(values.dtype)}
    assert all(one.encode > 0 and one.decode > 0 for one in trial.codecs)
    for one in trial.codecs:
        group = zarr.create_group(str(tmp_path / one.codec))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            array = group.create_array(
                "x",
                shape=values.shape,
                dtype="str" if kind == "U" else values.dtype,
                chunks=values.shape,
                **CODECS[one.codec].create_options(values.dtype),
            )
            array[:] = values
        checksum = 4
        stored = (tmp_path / one.codec / "x/c/0/0").stat().st_size - checksum
        assert one.ratio == round(trial.sample_bytes / stored, 3)


def test_a_trial_takes_no_more_than_it_needs() -> None:
    class Recorded:
        shape, dtype = (10_000_000, 128), np.dtype("f4")
        read: list[slice]

        def __getitem__(self, rows: slice) -> np.ndarray[Any, Any]:
            self.read.append(rows)
            return np.zeros((rows.stop - rows.start, 128), "f4")

    values = Recorded()
    values.read = []
    chunks = sample_chunks(values, 2048)
    assert sum(chunk.nbytes for chunk in chunks) <= 4 << 20
    starts = [rows.start for rows in values.read]
    assert starts[0] == 0
    assert starts[-1] > 9_990_000
    assert all(start % 2048 == 0 for start in starts)


def test_goals_choose_differently() -> None:
    def measured(codec: str, ratio: float, encode: float, decode: float) -> Measured:
        return Measured(codec, ratio, encode, decode, CODECS[codec].portable)

    tried = [
        measured("none", 1.0, 1e6, 14_000),
        measured("blosc-lz4", 1.48, 1000, 4200),
        measured("zstd", 1.77, 270, 1150),
        measured("zstd-19", 1.84, 6, 1050),
        measured("delta-zstd", 9.0, 1000, 9000),  # however good: not for all readers
    ]
    chosen = {goal: choose(tried, goal, cores=2).codec for goal in GOALS}
    assert chosen == {"speed": "blosc-lz4", "balanced": "zstd", "size": "zstd-19"}
    assert cost(tried[2], "balanced", 2) == pytest.approx(
        1 / (1.77 * 200) + (1 / 1150 + 0.05 / 270) / 2
    )


def test_of_codecs_alike_the_faster_is_taken() -> None:
    tried = [Measured("zstd", 2.0, 100, 1000, True), Measured("blosc-zstd", 1.99, 100, 1020, True)]
    assert choose(tried, "balanced", 1).codec == "blosc-zstd"
    assert choose(tried, "size", 1).codec == "zstd"


# ---- rounding

FLOATS = st.sampled_from(["f2", "f4", "f8"]).flatmap(
    lambda kind: npst.arrays(kind, st.integers(1, 30), elements=npst.from_dtype(np.dtype(kind)))
)


@settings(max_examples=300, deadline=None)
@given(FLOATS, st.floats(5e-324, 1.7e308))
def test_rounding_stays_within_the_error(values: np.ndarray[Any, Any], error: float) -> None:
    result = rounded(values, error)
    assert result.dtype == values.dtype
    known = np.isfinite(values)
    assert result[~known].tobytes() == values[~known].tobytes()
    zeros = values == 0
    assert result[zeros].tobytes() == values[zeros].tobytes()
    for before, after in zip(values[known], result[known], strict=True):
        assert abs(Fraction(float(before)) - Fraction(float(after))) <= Fraction(error)


def test_rounding_compresses(tmp_path: Path) -> None:
    noise = RNG.normal(300, 10, (2000, 64)).astype("f4")
    np.save(tmp_path / "a.npy", noise)
    exact = import_dataset(tmp_path / "a.npy", tmp_path / "a.zarr")
    close = import_dataset(tmp_path / "a.npy", tmp_path / "b.zarr", max_error=0.05)
    assert close.info()["ratio"] > 2 * exact.info()["ratio"]
    assert 0 < np.abs(close.x[:].astype("f8") - noise).max() <= 0.05
    assert close.x.zarr.attrs["max_error"] == 0.05
    assert close.attrs["lepton"]["history"][0]["max_error"] == 0.05
    assert np.abs(read_elsewhere(tmp_path / "b.zarr" / "x") - noise).max() <= 0.0501


@pytest.mark.parametrize("error", [0, -1, float("nan"), float("inf"), True])
def test_a_bound_that_is_none_is_refused(error: float) -> None:
    with pytest.raises(UsageError, match="not a number above 0"):
        check_max_error(error)
