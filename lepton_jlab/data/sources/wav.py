"""Sounds: .wav files of one rate and width, in a folder or in folders by class."""

from __future__ import annotations

import wave
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lepton_jlab.data.sources import Loaded, without_label
from lepton_jlab.data.store import is_zarr
from lepton_jlab.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

FORM = "sounds (.wav, or folders of them by class)"

WIDTHS: dict[int, np.dtype[Any]] = {1: np.dtype("u1"), 2: np.dtype("<i2"), 4: np.dtype("<i4")}


def accepts(source: str) -> bool:
    """Whether `source` is a .wav file, or a folder that holds some."""
    path = Path(source).expanduser()
    if path.is_file():
        return path.suffix.lower() == ".wav"
    return path.is_dir() and not is_zarr(path) and bool(_files(path))


def load(source: str, label: str | None) -> Loaded:
    """Look at the files; sounds are read as they are written.

    ``x`` has shape ``(samples, frames, channels)`` with the samples as they are stored; shorter
    sounds end in silence, and ``frames`` says how long each is. The rate is in the attributes.
    """
    without_label(label, FORM)
    root = Path(source).expanduser()
    files = [root] if root.is_file() else _files(root)
    order = np.random.default_rng(0).permutation(len(files))
    files = [files[i] for i in order]
    forms = [_form(file) for file in files]
    for file, form in zip(files, forms, strict=True):
        if form[1:] != forms[0][1:]:
            (_, *a), (_, *b) = forms[0], form
            raise DataError(
                f"Sounds differ: {files[0].name} has {a[0]} Hz, {a[1]} channels, {8 * a[2]} bits, "
                f"{file.name} {b[0]} Hz, {b[1]} channels, {8 * b[2]} bits. Convert them first."
            )
    frames = np.array([form[0] for form in forms], np.int64)
    _, rate, channels, width = forms[0]
    if width not in WIDTHS:
        raise DataError(f"{files[0]} has {8 * width} bits a value; 8, 16 and 32 are read.")
    sounds = Sounds(files, (int(frames.max()), channels), WIDTHS[width])
    arrays: dict[str, Any] = {"x": sounds, "frames": frames}
    classes = None
    if root.is_dir() and all(file.parent != root for file in files):
        classes = sorted({file.parent.name for file in files})
        kind = np.min_scalar_type(len(classes) - 1)
        arrays["y"] = np.array([classes.index(file.parent.name) for file in files], kind)
    return Loaded({"": arrays}, source, classes, {"rate": rate, "order": "random, seed 0"})


@dataclass(frozen=True, slots=True)
class Sounds:
    """Sounds as an array of shape (samples, frames, channels)."""

    files: Sequence[Path]
    size: tuple[int, int]
    dtype: np.dtype[Any]

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape ``(samples, frames, channels)``."""
        return (len(self.files), *self.size)

    def __getitem__(self, rows: slice) -> NDArray[Any]:
        some = self.files[rows]
        silence = 128 if self.dtype == np.uint8 else 0
        made = np.full((len(some), *self.size), silence, self.dtype)
        for place, file in enumerate(some):
            with wave.open(str(file)) as sound:
                values = np.frombuffer(sound.readframes(sound.getnframes()), self.dtype)
            values = values.reshape(-1, self.size[1])
            made[place, : len(values)] = values
        return made


def _files(root: Path) -> list[Path]:
    found = [*root.glob("*.wav"), *root.glob("*/*.wav")]
    return sorted(f for f in found if not f.name.startswith("."))


def _form(file: Path) -> tuple[int, int, int, int]:
    """Return frames, rate in Hz, channels and bytes a value."""
    try:
        with wave.open(str(file)) as sound:
            return (
                sound.getnframes(),
                sound.getframerate(),
                sound.getnchannels(),
                sound.getsampwidth(),
            )
    except (wave.Error, EOFError, OSError) as error:
        raise DataError(f"{file} cannot be read as a sound: {error}") from error
