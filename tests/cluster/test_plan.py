"""What `cluster start` refuses before any process is started."""

from __future__ import annotations

import json
from dataclasses import asdict

import pytest

from lepton_jlab.cluster import connection
from lepton_jlab.cluster.plan import Plan, make_plan, parse_seconds
from lepton_jlab.errors import MissingDependencyError, UsageError

NO_KEYS = (None, None, None)


def plan(
    *,
    engine="auto",
    name=None,
    workers=None,
    threads=None,
    memory=None,
    idle="1h",
    tls=NO_KEYS,
    **more,
):
    return make_plan(name, engine, workers, threads, memory, idle, tls, **more)


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"engine": "locla"}, "No engine named 'locla'. Did you mean 'local'?"),
        ({"engine": "http://x:1"}, "begins with tls:// or tcp://"),
        ({"engine": "tcp://x:1", "workers": 2}, "brings its own workers"),
        ({"engine": "tls://x:1"}, "needs --tls-ca, --tls-cert and --tls-key"),
        ({"engine": "local", "tls": ("ca.pem", None, None)}, "belong to a tls:// address"),
        ({"engine": "tls://x:1", "tls": ("no", "no", "no")}, "--tls-ca: there is no file 'no'"),
        ({"workers": 0}, "--workers is 0; it must be 1 or more"),
        ({"threads": -1}, "--threads is -1"),
        ({"memory": "much"}, "--memory 'much' is not a size"),
        ({"memory": 0}, "--memory 0 is not a size"),
        ({"idle": "soon"}, "--idle-timeout 'soon' is not a time"),
        ({"idle": 0}, "--idle-timeout 0 is not a time"),
        ({"name": "../up"}, "cannot be a cluster's name"),
        ({"adapt": "8..0"}, "--adapt '8..0' is no range of workers. Write it as 0..8."),
        ({"adapt": (0, 0)}, "--adapt '0..0' is no range of workers"),
        ({"adapt": "0..2", "workers": 1}, "--workers and --adapt exclude each other"),
        ({"engine": "ssh"}, "Engine 'ssh' needs --hosts a,b"),
        ({"hosts": "a,,b"}, "--hosts 'a,,b': write words with commas between them"),
        ({"hosts": "a b"}, "--hosts: 'a b' is no host"),
        ({"hosts": "a", "port": 70000}, "--port 70000 is no port"),
        ({"hosts": "a", "key": "/no/key"}, "--key: there is no file '/no/key'"),
        ({"hosts": "a", "engine": "local"}, "--hosts belongs to --engine ssh; this is engine 'lo"),
        ({"engine": "slurm"}, "Engine 'slurm' needs --memory SIZE"),
        ({"engine": "slurm", "walltime": "long"}, "--walltime 'long' is no time of SLURM's"),
        ({"engine": "slurm", "directives": "x"}, "--directives: 'x' is none of SLURM's"),
        ({"gateway": "host:80"}, "--gateway 'host:80' is no address"),
        ({"engine": "gateway", "auth": "token"}, "--auth 'token' is none of basic, kerberos"),
        ({"engine": "gateway", "settings": "a"}, "--settings 'a': write pairs"),
        ({"python": "x"}, "--python belongs to --engine ssh or --engine slurm"),
        ({"engine": "tcp://x:1", "adapt": "0..2"}, "brings its own workers"),
        ({"place": "a/b"}, "--place 'a/b' is no label"),
        ({"colour": "red"}, "No engine has an option 'colour'."),
    ],
)
def test_what_cannot_be_is_named(asked, told):
    with pytest.raises(UsageError) as error:
        plan(**asked)
    assert told in str(error.value)
    assert connection.names() == []


def test_words_become_bytes_and_seconds():
    made = plan(engine="local", memory="4GiB", idle="10 min")
    assert (made.memory, made.idle_timeout) == (4 * 2**30, 600.0)
    assert plan(memory="500 MB").memory == 500_000_000
    assert plan().memory is None
    assert parse_seconds("90s", "--timeout") == parse_seconds(90, "--timeout") == 90.0


def test_a_cluster_is_called_local_or_by_the_address_it_adopts():
    assert plan().name == "local"
    assert plan(engine="tcp://10.0.0.7:8786").name == "10.0.0.7-8786"
    assert plan(engine="tcp://10.0.0.7:8786", name="lab").name == "lab"


def test_the_idle_time_of_the_settings_holds_unless_one_is_given():
    assert plan(idle=None).idle_timeout == 3600.0


def test_a_plan_is_the_same_after_json():
    made = plan(adapt="0..8", place="edge")
    assert made.adapt == (0, 8)
    assert Plan.from_document(json.loads(json.dumps(asdict(made)))) == made


def test_an_option_of_one_engine_chooses_it():
    made = plan(hosts="a,me@b:2222,[::1]", user="you")
    assert (made.engine, made.name) == ("ssh", "ssh")
    assert [tuple(host.values()) for host in made.options["hosts"]] == [
        *(("a", "you", None), ("b", "me", 2222), ("::1", "you", None)),
    ]


def test_an_engine_that_is_not_installed_is_named_with_its_install_line(monkeypatch):
    monkeypatch.setattr("lepton_jlab.cluster.options.find_spec", lambda _name: None)
    with pytest.raises(MissingDependencyError) as error:
        plan(hosts="a")
    assert str(error.value) == (
        "asyncssh, which --engine ssh needs, is not installed. "
        "Install it: pip install 'lepton_jlab[ssh]'"
    )
    assert plan(engine="local").engine == "local"
