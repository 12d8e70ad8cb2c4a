"""Texts: what was lost in decoding, and signatures by which texts that are alike are found."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

GRAM = 5  # bytes of a shingle
BANDS, ROWS = 10, 4  # a pair with likeness 0.8 shares two bands or more in 96 of 100 cases
ALIKE = 0.8  # of the shingles are in both
SHORT = 20  # characters; what is shorter is alike too easily
_BLOCK = 1 << 15  # bytes of text that are hashed together
_FUNCTIONS = np.random.default_rng(20240607).integers(1, 2**32, (BANDS, ROWS, 2), np.uint32)
_FUNCTIONS[..., 0] |= 1  # odd factors lose no bit
_CONTROL = "[\x00-\x08\x0b\x0e-\x1f\ufffd]"
# The first byte of two in UTF-8, and one that follows, as Windows-1252 shows them.
_TWICE = (
    "[\xc2\xc3\xe2][\x80-\xbf\u0152\u0153\u0160\u0161\u0178\u017d\u017e\u0192\u02c6\u02dc"
    "\u2013-\u203a\u20ac\u2122]"
)
_SUSPECT = re.compile(f"{_CONTROL}|{_TWICE}")


def plain(texts: NDArray[Any]) -> list[str]:
    """Return texts as Python has them; bytes are taken as UTF-8."""
    return [t.decode("utf-8", "replace") if isinstance(t, bytes) else str(t) for t in texts]


def broken(texts: list[str]) -> dict[int, str]:
    """Return reasons by place, of texts that are empty or were decoded wrongly."""
    reasons = {}
    for place, text in enumerate(texts):
        if not text or text.isspace():
            reasons[place] = "is empty"
        elif (found := _SUSPECT.search(text)) is not None:
            reason = _damage(text, found.group())
            if reason:
                reasons[place] = reason
    return reasons


def _damage(text: str, found: str) -> str:
    if found == "\ufffd":
        return "characters were lost in decoding (\N{REPLACEMENT CHARACTER})"
    if len(found) == 1:
        return f"holds the control character {ord(found):#04x}"
    for taken in ("cp1252", "latin-1"):
        try:
            meant = text.encode(taken).decode("utf-8")
        except UnicodeError:
            continue
        return f"UTF-8 that was read as {taken}: {text[:30]!r} is {meant[:30]!r}"
    return ""


def shingles(text: str) -> set[bytes]:
    """Return the stretches of five bytes of a text, without regard to case and blanks."""
    data = _normal(text)
    return {data[i : i + GRAM] for i in range(len(data) - GRAM + 1)}


def likeness(left: str, right: str) -> float:
    """Return the share of the shingles of both that both have."""
    first, second = shingles(left), shingles(right)
    return len(first & second) / max(1, len(first | second))


def _normal(text: str) -> bytes:
    return " ".join(text.lower().split()).encode()


def signatures(texts: list[str]) -> NDArray[np.uint32]:
    """Return keys of bands of MinHash values, shape ``(samples, 10)``; zeros for a short text.

    Texts of which two bands agree are candidates (Broder 1997; Leskovec et al., Mining of Massive
    Datasets, ch. 3).
    """
    bands = np.zeros((len(texts), BANDS), np.uint32)
    encoded = [_normal(text) for text in texts]
    long = [place for place, data in enumerate(encoded) if len(data) >= max(SHORT, GRAM)]
    begin, size = 0, 0
    for number, place in enumerate(long, 1):
        size += len(encoded[place])
        if size >= _BLOCK or number == len(long):
            some = long[begin:number]
            bands[some] = _signed([encoded[each] for each in some])
            begin, size = number, 0
    return bands


def _signed(texts: list[bytes]) -> NDArray[np.uint32]:
    """Return the keys of bands of some texts, each long enough; arrays stay in a core's cache."""
    lengths = np.array([len(data) for data in texts])
    data = np.frombuffer(b"".join(texts), np.uint8).astype(np.uint64)
    grams = np.zeros(len(data) - GRAM + 1, np.uint64)
    for offset in range(GRAM):
        grams = (grams << np.uint64(8)) | data[offset : len(data) - GRAM + 1 + offset]
    ends = np.cumsum(lengths)
    inside = np.ones(len(grams), np.bool_)
    for offset in range(1, GRAM):  # those that begin in one text and end in the next
        inside[ends[:-1] - offset] = False
    mixed = (_mixed(grams[inside]) >> np.uint64(32)).astype(np.uint32)
    counts = lengths - GRAM + 1
    starts = np.cumsum(counts) - counts
    hashed = np.empty_like(mixed)
    bands = np.empty((len(texts), BANDS), np.uint32)
    for band, functions in enumerate(_FUNCTIONS):
        key = np.zeros(len(texts), np.uint64)
        for factor, added in functions:  # half the width is thrice as fast
            np.multiply(mixed, factor, out=hashed)
            hashed += added
            key = _mixed(key ^ np.minimum.reduceat(hashed, starts).astype(np.uint64))
        bands[:, band] = np.maximum(key.astype(np.uint32), 1)
    return bands


def _mixed(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Spread the bits (the finalizer of MurmurHash3)."""
    values = values ^ (values >> np.uint64(33))
    values = values * np.uint64(0xFF51AFD7ED558CCD)
    mixed: NDArray[np.uint64] = values ^ (values >> np.uint64(33))
    return mixed
