"""Whether somebody looks at what this process displays."""

from __future__ import annotations

from typing import Literal


def audience() -> Literal["person", "file", "terminal"]:
    """Tell who sees what is displayed: a person in a front end, a notebook's file, a terminal.

    What executes a notebook without a person in front (nbclient, papermill, nbconvert) says that
    it answers no questions.
    """
    from IPython import get_ipython

    kernel = getattr(get_ipython(), "kernel", None)
    if kernel is None:
        return "terminal"
    return "person" if kernel._allow_stdin else "file"
