"""The grammar: what the words mean, and what is said when they mean nothing."""

from __future__ import annotations

import pytest

from lepton_jlab.errors import UsageError
from lepton_jlab.grammar import COMMANDS
from lepton_jlab.parsing import help_of, parse, split
from lepton_jlab.readers import sweep


def read(line, place="line"):
    return parse(split(line), place)


def refused(line, place="line"):
    with pytest.raises(UsageError) as caught:
        read(line, place)
    message = str(caught.value)
    assert "\n" not in message
    return message


# ---- words


def test_a_line_is_cut_at_spaces_outside_quotes_and_brackets():
    line = (
        """run --sweep lr=[1e-2, 1e-3] --name "two words" act=['re lu']   # a comment, isn't it"""
    )
    assert split(line) == [
        *("run", "--sweep", "lr=[1e-2, 1e-3]", "--name", "two words", "act=['re lu']")
    ]


def test_a_hash_inside_a_word_is_no_comment():
    assert split("data info http://host/a.zarr#part") == ["data", "info", "http://host/a.zarr#part"]


def test_an_empty_quoted_word_is_a_word():
    assert split("run --name ''") == ["run", "--name", ""]


@pytest.mark.parametrize("line", ["run --name 'half", "run --sweep lr=[1,2", "run --sweep lr=(1]"])
def test_an_unclosed_quote_or_bracket_is_refused(line):
    with pytest.raises(UsageError, match="cannot be read"):
        split(line)


# ---- commands


def test_defaults_are_those_of_the_grammar():
    args = read("cluster start")
    assert args.command == "cluster start"
    assert (args.engine, args.name, args.workers, args.out, args.json) == (
        *("auto", None, None, None, False),
    )


def test_every_listing_and_info_takes_json():
    for command in COMMANDS:
        if command.words[-1] in ("list", "info", "show", "compare", "best"):
            assert "--json" in {flag for option in command.options for flag in option.flags}


def test_every_command_explains_itself():
    for command in COMMANDS:
        text = help_of(command.words, command.places[0])
        assert command.help.split(":")[0][:40] in text
        for option in command.options:
            assert option.help


@pytest.mark.parametrize(
    ("line", "meant"),
    [
        ("clutser start", "'cluster'"),
        ("cluster strat", "'start'"),
        ("start", "'cluster start'"),
        ("list", "'cluster list' or 'runs list' or 'data list' or 'model list'"),
        ("cluster start --wokers 2", "'--workers'"),
        ("cluster start --engine cudda", "'cuda'"),
        ("runs list --state runing", "'running'"),
        ("help clutser", "'cluster'"),
    ],
)
def test_what_is_misspelled_gets_the_nearest_suggestion(line, meant):
    if line.startswith("help"):
        with pytest.raises(UsageError, match=meant):
            help_of(split(line)[1:])
    else:
        assert f"Did you mean {meant}?" in refused(line)


def test_an_option_is_not_abbreviated():
    assert "--work" in refused("cluster start --work 2")


def test_a_noun_alone_says_its_verbs():
    assert "start, list, use, info, scale, stop" in refused("cluster")


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("cluster start --workers two", "'two'"),
        ("cluster start --workers 0", "'0'"),
        ("cluster scale -2", "'-2'"),
        ("cluster scale", "N is missing"),
        ("cluster stop gpu --all", "NAME"),
        ("runs list everything", "'everything'"),
        ("runs cancel", "ID is missing"),
        ("runs best accuracy --max --min", "--min"),
        ("runs best accuracy -o 1st", "'1st'"),
        ("runs best accuracy -o class", "'class'"),
        ("cluster start --name", "--name"),
    ],
)
def test_a_wrong_value_is_named_with_the_way_to_the_help(line, named):
    message = refused(line)
    assert named in message
    assert "%lepton help " + " ".join(line.split()[:2]) in message


def test_an_address_is_an_engine():
    assert read("cluster start --engine tls://10.0.0.1:8786").engine == "tls://10.0.0.1:8786"


# ---- places


def test_only_run_and_serve_take_a_cell():
    assert read("run --wait", "cell").wait
    assert read("serve tagger --model fashion", "cell").model == "fashion"
    assert "no cell" in refused("cluster info", "cell")
    assert "%%lepton run" in refused("", "cell")


def test_a_file_is_run_by_a_line_or_a_terminal_but_not_by_a_cell():
    assert read("run train.py", "terminal").file == "train.py"
    assert read("run train.py").file == "train.py"
    assert "'train.py'" in refused("run train.py", "cell")


def test_the_file_may_follow_a_sweep():
    args = read("run --sweep lr=1,2 units=3 train.py --wait", "terminal")
    assert (args.file, args.sweep, args.wait) == (
        *("train.py", [("lr", [1, 2]), ("units", [3])], True),
    )


def test_a_terminal_has_no_variables():
    assert "no variables" in refused("run train.py -o trials", "terminal")
    assert "--cluster" in refused("cluster use gpu", "terminal")


# ---- values


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("lr=1e-2,1e-3", [0.01, 0.001]),
        ("lr=[1e-2,1e-3]", [0.01, 0.001]),
        ("lr=[1e-2, 1e-3]", [0.01, 0.001]),
        ("n=-1,0,1_000", [-1, 0, 1000]),
        ("flag=True,False,None", [True, False, None]),
        ("shape=(1,2),(3,4)", [(1, 2), (3, 4)]),
        ("shape=[(1,2),(3,4)]", [(1, 2), (3, 4)]),
        ("layers=[8,16],[32]", [[8, 16], [32]]),
        ("layers=[[8,16],[32]]", [[8, 16], [32]]),
        ("optimizer=adam,sgd", ["adam", "sgd"]),
        ("optimizer=[adam,sgd]", ["adam", "sgd"]),
        ("text='a,b','c'", ["a,b", "c"]),
        ("text='1',1", ["1", 1]),
        ("lr=0.1", [0.1]),
        ("rate=1e-2x", ["1e-2x"]),
        ("where=keras:mnist,a=b", ["keras:mnist", "a=b"]),
    ],
)
def test_sweep_values_are_literals_where_they_parse_else_text(text, values):
    assert sweep(text) == (text.partition("=")[0], values)


@pytest.mark.parametrize(
    "text",
    ["lr", "=1,2", "lr=", "lr=1,,2", "lr=1,", "lr=[]", "1r=1", "lr=(1,x)", "lr=[1", "for=1,2"],
)
def test_a_malformed_sweep_is_named(text):
    name = text.partition("=")[0]
    assert f"--sweep: '{name}" in refused(f"run --sweep '{text}'", "cell")


def test_several_sweeps_add_up():
    args = read("run --sweep lr=1,2 --sweep units=8,16 act=relu,tanh", "cell")
    assert [name for name, _ in args.sweep] == ["lr", "units", "act"]


def test_push_takes_names_or_none():
    assert read("run --push a,b", "cell").push == ["a", "b"]
    assert read("run --push none", "cell").push == "none"
    assert read("run", "cell").push is None
    assert "'a.b'" in refused("run --push a.b", "cell")


# ---- help


@pytest.mark.parametrize("line", ["", "help", "--help", "-h"])
def test_no_words_ask_for_help(line):
    args = read(line)
    assert args.command == "help"
    assert args.word == []


def test_help_is_found_from_anywhere():
    assert read("cluster start --workers 2 --help").word == ["cluster", "start"]
    assert read("runs --help").word == ["runs"]
    assert read("help runs show").word == ["runs", "show"]


def test_help_of_everything_has_every_command():
    for command in COMMANDS:
        assert command.name in help_of()


def test_help_of_a_noun_has_its_verbs_only():
    text = help_of(["cluster"])
    assert "cluster scale" in text
    assert "data import" not in text


def test_help_speaks_the_language_of_its_place():
    assert help_of(["run"], "cell").startswith("usage: %%lepton run")
    assert help_of(["run"], "terminal").startswith("usage: jupyter lepton run")
    assert "-o VAR" not in help_of(["run"], "terminal")


def test_forms_have_what_each_engine_takes_with_its_own_help():
    from lepton_jlab.cluster.options import known
    from lepton_jlab.grammar.engines import engine_options

    fields = {
        engine: {field["name"]: field for field in own} for engine, own in engine_options().items()
    }
    assert {(name, engine) for name, engines in known().items() for engine in engines} == {
        (name, engine) for engine, own in fields.items() for name in own
    }
    assert fields["ssh"]["hosts"]["required"]
    assert fields["ssh"]["folder"]["help"] == "for temporary files"
    assert fields["slurm"]["folder"]["help"] == "a shared one"
    port = fields["ssh"]["port"]
    assert (port["kind"], port["default"], port["help"]) == ("number", "22", "the port")
    assert fields["gateway"]["auth"]["kind"] == "choice"
    pool = fields["cuda"]["rmm_pool_size"]
    assert (pool["label"], pool["kind"]) == ("RMM pool size", "text")
    assert fields["cuda"]["enable_cudf_spill"]["kind"] == "switch"
