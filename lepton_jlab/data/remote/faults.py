"""What went wrong with a request, told from what obstore says."""

from __future__ import annotations

import re
from dataclasses import dataclass

from lepton_jlab.errors import DataError

_STATUS = re.compile(r"status code: (\d{3}) ?([^:\n]*)")
_KIND = re.compile(r"HttpError \{\s*kind: (\w+)")
_CAUSE = re.compile(r'message: "([^"]+)"|error: "([^"]+)"')

_BUSY = {408, 429, 503}  # the store has too much to do


class RefusedError(DataError):
    """The store does not let this user read that, or says so of what is not there."""


class BrokenOffError(ConnectionError):
    """An answer has fewer bytes than it should."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a request failed.

    Attributes
    ----------
    reason
        Words that follow "cannot be read: ".
    passing
        Whether asking again may help.
    busy
        Whether the store asked for fewer requests.
    refused
        Whether it is a matter of permission.
    advice
        What a user can do; empty where nothing is known.
    """

    reason: str
    passing: bool
    busy: bool = False
    refused: bool = False
    advice: str = ""


def read_fault(error: Exception, silence: float) -> Fault:
    """Return what obstore's `error` means; `silence` is how long a server may say nothing."""
    text = str(error)
    if status := _STATUS.search(text):
        return _answered(int(status[1]), status[2].strip())
    if isinstance(error, BrokenOffError):
        return Fault(text, passing=True)
    if "without LOCATION" in text:
        return Fault(
            "the bucket is in another region", passing=False, advice="Set AWS_REGION to its region."
        )
    if type(error).__name__ == "NotSupportedError":
        return Fault(
            "the server gives no parts of files (byte ranges), as shards need",
            passing=False,
            advice="Serve it by a server that does, or copy it here.",
        )
    kind = _KIND.search(text)
    match kind and kind[1]:
        case "Timeout":
            return Fault(f"the server was silent for {silence:g} s", passing=True, busy=True)
        case "Connect":
            cause = _CAUSE.search(text)
            why = f" ({(cause[1] or cause[2]).lower()})" if cause else ""
            return Fault(f"no connection{why}", passing=True)
        case "Interrupted" | "Request" | "Decode":
            return Fault("the connection broke off", passing=True)
    return Fault(text.partition("\n")[0] or type(error).__name__, passing=True)


def _answered(status: int, words: str) -> Fault:
    reason = f"the server answered {status} {words}".rstrip()
    if status in (401, 403):
        advice = "Check the address and the credentials; stores also say this of what is not there."
        return Fault(reason, passing=False, refused=True, advice=advice)
    return Fault(reason, passing=status >= 500 or status in _BUSY, busy=status in _BUSY)
