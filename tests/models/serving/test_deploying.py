"""What is refused, or warned of, before anything is deployed."""

from __future__ import annotations

import warnings

import pytest

import lepton_jlab as lepton
from lepton_jlab import grammar
from lepton_jlab.errors import ClusterError, NotFoundError, UsageError
from lepton_jlab.models.serving import runtimes
from lepton_jlab.models.serving.connection import ENDPOINTS
from lepton_jlab.models.serving.deploying import _check_address, plan_of


def test_the_grammar_knows_the_runtimes():
    assert grammar.RUNTIMES == runtimes.RUNTIMES


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"workers": 0}, "--workers 0"),
        ({"port": 70000}, "--port 70000"),
        ({"queue": 0}, "--queue 0"),
        ({"timeout": "soon"}, "--timeout"),
        ({"idle_timeout": -1}, "--idle-timeout"),
        ({"max_request": "big"}, "--max-request"),
        ({"runtime": "litrt"}, "Did you mean 'litert'"),
    ],
)
def test_a_wrong_option_is_named(options, said):
    with pytest.raises(UsageError, match=said):
        plan_of("cell", None, None, **options)


@pytest.mark.parametrize("name", ["../x", "a b", ""])
def test_a_name_that_could_leave_the_folder_is_refused(name):
    with pytest.raises(UsageError, match="cannot be an endpoint's name"):
        plan_of(name, None, None)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.1.2.3"])
def test_this_machine_needs_no_warning(host):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        _check_address(plan_of("cell", None, None, host=host))


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "lab.example"])
def test_another_address_is_warned_of(host):
    with pytest.warns(UserWarning, match="plain HTTP"):
        _check_address(plan_of("cell", None, None, host=host))


def test_a_model_or_an_endpoint_that_is_not_there_is_named():
    with pytest.raises(NotFoundError, match="No model named 'nowhere'"):
        lepton.deploy("nowhere")
    with pytest.raises(NotFoundError, match=r"No endpoint named 'nowhere'.*model deploy nowhere"):
        lepton.endpoint("nowhere")


def test_an_endpoint_has_its_name_alone(tmp_path, monkeypatch):
    import os

    import psutil

    from lepton_jlab.cluster import connection

    monkeypatch.setattr(connection, "runtime_folder", lambda: tmp_path)
    info = {"name": "one", "pid": os.getpid(), "created": psutil.Process().create_time()}
    ENDPOINTS.claim("one", info)
    assert ENDPOINTS.path_of("one").name == "lepton-endpoint-one.json"
    with pytest.raises(ClusterError, match="An endpoint named 'one' runs already"):
        ENDPOINTS.claim("one", info)
    assert connection.names() == []  # it is no cluster
