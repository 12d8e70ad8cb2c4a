"""Functions in a process of their own: what comes back, and what is left when one side dies."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading

import pytest
from conditions import wait_gone, wait_until

from lepton_jlab.errors import DataError, LeptonError
from lepton_jlab.models import apart


def test_a_result_and_progress_come_back_and_noise_does_not(capfd):
    told = []
    made = apart.call("apart_work:add", {"a": 1, "b": 2}, lambda *said: told.append(said))
    assert made["sum"] == 3
    assert made["pid"] != os.getpid()
    assert told == [(1, 2, "adding")]
    assert capfd.readouterr() == ("", "")


def test_errors_keep_their_kind_and_message():
    with pytest.raises(DataError, match="no such thing; take another"):
        apart.call("apart_work:refuse", {})
    with pytest.raises(LeptonError, match="KeyError: 'key'"):
        apart.call("apart_work:stumble", {})


def test_a_death_is_told_with_the_last_words():
    with pytest.raises(LeptonError, match=r"SIGKILL \(out of memory\?\).*last words"):
        apart.call("apart_work:die", {})
    with pytest.raises(LeptonError, match="ended with status 3"):
        apart.call("apart_work:leave", {})


def pid_in(path):
    wait_until(path.exists, about="the process at work")
    return int(path.read_text())


def test_an_interrupt_ends_it(tmp_path):
    mark = tmp_path / "pid"
    main = threading.get_ident()

    def interrupt():
        pid_in(mark)
        signal.pthread_kill(main, signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        apart.call("apart_work:sleep", {"path": str(mark)})
    thread.join()
    wait_gone([pid_in(mark)])


def test_it_ends_with_whoever_asked(tmp_path):
    mark = tmp_path / "pid"
    code = f"""if True:
        from lepton_jlab.models import apart
        apart.call("apart_work:sleep", {{"path": {str(mark)!r}}})
    """
    path = os.pathsep.join(p for p in sys.path if p)
    asking = subprocess.Popen([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": path})
    pid = pid_in(mark)
    asking.kill()
    asking.wait()
    wait_gone([pid])
