"""Versions: they appear at once, have numbers of their own, and one of them is promoted."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

import lepton_jlab as lepton
from lepton_jlab.errors import NotFoundError, UsageError
from lepton_jlab.models import places, promotion


def add(name):
    with places.adding(name) as new:
        (new.folder / "saved_model.pb").write_bytes(b"graph")
        return new.publish()


@pytest.fixture
def three(no_records):
    for _ in range(3):
        add("digits")
    promotion.promote("digits", 1)
    return lepton.model("digits")


def test_versions_are_folders_with_numbers_as_tensorflow_serving_wants_them(three):
    home = places.root() / "digits"
    assert sorted(entry.name for entry in home.iterdir() if entry.is_dir()) == ["1", "2", "3"]
    assert (home / "2" / "saved_model.pb").read_bytes() == b"graph"
    assert [version.number for version in three.versions] == [1, 2, 3]


def test_promote_and_roll_back(three):
    three.promote(3)
    three.promote(2)
    assert lepton.model("digits").promoted == 2
    assert [three.rollback(), three.rollback(), three.promoted] == [3, 1, 1]
    with pytest.raises(UsageError, match="before 1"):
        three.rollback()
    with pytest.raises(NotFoundError, match=r"no version 7\. It has: 1, 2, 3"):
        three.promote(7)


def test_a_rollback_passes_over_versions_that_were_dropped(three):
    three.promote(2)
    three.promote(3)
    three.drop(2)
    assert three.rollback() == 1


def test_the_promoted_version_and_several_at_once_are_dropped_by_force_only(three):
    with pytest.raises(UsageError, match="promoted"):
        three.drop(1)
    with pytest.raises(UsageError, match="3 versions"):
        three.drop()
    three.drop(2)
    assert places.numbers("digits") == [1, 3]
    three.drop(1, force=True)
    assert three.promoted == 3
    three.drop(3, force=True)
    assert places.names() == []
    assert list(places.root().iterdir()) == []


def test_a_number_is_not_given_twice(three):
    three.drop(3)
    assert add("digits") == 4


@pytest.mark.parametrize("name", ["", "../up", "a/b", ".hidden", "a:b", "-x", "ü"])
def test_names_that_are_no_names_are_refused(name, no_records):
    with pytest.raises(UsageError, match="cannot be called"), places.adding(name):
        pass


def test_a_model_that_is_not_there_gets_the_nearest_name(three):
    with pytest.raises(NotFoundError, match="Did you mean 'digits'"):
        lepton.model("digit")


def test_what_fails_leaves_nothing(no_records):
    with pytest.raises(RuntimeError), places.adding("digits") as new:
        (new.folder / "half").write_text("x")
        raise RuntimeError
    assert list(places.root().iterdir()) == []


def test_a_save_killed_in_the_middle_leaves_nothing(no_records, tmp_path):
    code = """if True:
        import os, signal
        from lepton_jlab.models import places
        with places.adding("digits") as new:
            (new.folder / "saved_model.pb").write_bytes(b"half")
            print(new.folder, flush=True)
            os.kill(os.getpid(), signal.SIGKILL)
    """
    killed = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert killed.returncode == -signal.SIGKILL
    assert Path(killed.stdout.strip()).is_dir()
    assert places.names() == []
    assert lepton.models() == []
    assert add("digits") == 1
    assert sorted(entry.name for entry in places.root().iterdir()) == ["digits"]


def test_saves_at_the_same_time_get_different_numbers(no_records):
    code = """if True:
        from lepton_jlab.models import places
        for _ in range(5):
            with places.adding("digits") as new:
                new.publish()
    """
    at_once = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(3)]
    assert [process.wait() for process in at_once] == [0, 0, 0]
    assert places.numbers("digits") == list(range(1, 16))


@pytest.mark.parametrize("text", ["a:", "a:x", "a:0", "a:1.5"])
def test_a_version_is_a_number(text):
    with pytest.raises(UsageError, match="no version"):
        places.split_name(text)
