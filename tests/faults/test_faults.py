"""A few of the faults of `make faults`, and that the faults are real."""

import json

import pytest

from faults import __main__ as command
from faults import careless, cases, harness
from faults.harness import Bench, BrokenError, Fault, Server

# What of the record is in the page.
RECORD = {
    "qa": {"operations": 4, "survived": {"EIO": 1}, "broken": []},
    "ner": {"operations": 9, "survived": {"kill": 2}, "broken": [{"fault": "x"}]},
}


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    made = harness.injector(tmp_path_factory.mktemp("injector"))
    if made is None:
        pytest.skip("no C compiler; the faults are injected by a library in C")
    return made


@pytest.fixture(scope="module")
def light(library, tmp_path_factory):
    """A server for commands that need no TensorFlow."""
    server = Server(tmp_path_factory.mktemp("light"), library, is_light=True)
    yield server
    server.close()


@pytest.fixture(scope="module")
def server(library, tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("server"), library)
    yield server
    server.close()


def inject(name, folder, server, kinds, seed=3):
    """One fault of each kind, and what was once not survived."""
    bench = Bench(cases.CASES[name], folder, server, runs=1)
    old = [Fault.parse(each) for each in command.kept().get(name, [])]
    for fault in [*old, *bench.draw(len(kinds), seed, kinds)]:
        assert bench.inject(fault), fault


@pytest.mark.parametrize("name", ["corpus", "create-pretraining-data"])
def test_data_survives(name, tmp_path, light):
    inject(name, tmp_path, light, ("kill", "torn", "EIO", "ENOSPC"))


@pytest.mark.parametrize("name", ["convert to TF1", "vocab extend"])
def test_models_survive(name, tmp_path, server):
    inject(name, tmp_path, server, ("kill", "ENOSPC"))


@pytest.mark.parametrize(("name", "kind"), [("ner", "flip"), ("pretraining", "kill")])
def test_trainings_survive(name, kind, tmp_path, server):
    inject(name, tmp_path, server, (kind,))


# --- the faults are real --------------------------------------------------------------


@pytest.mark.parametrize(
    ("function", "kind", "at", "problem"),
    [
        ("write", "kill", 3, "different: out.txt"),
        ("write", "torn", 1, "different: out.txt"),
        ("write", "ENOSPC", 4, "status 1: .*No space left"),
        ("crash", "EIO", 1, "status 1: .*Input/output error"),
    ],
)
def test_a_careless_command_is_found(tmp_path, light, function, kind, at, problem):
    bench = Bench(careless.case(function), tmp_path, light)
    with pytest.raises(BrokenError, match=rf"(?s){problem}"):
        bench.inject(Fault(kind, at, 0))


def test_a_fault_that_comes_too_late(tmp_path, light):
    bench = Bench(careless.case("crash"), tmp_path, light)
    assert bench.inject(Fault("kill", 99, 0)) == "not reached"


def test_the_same_seed_gives_the_same_faults(tmp_path, light):
    bench = Bench(careless.case("write"), tmp_path, light)
    drawn = bench.draw(12, 1, harness.KINDS)
    assert drawn == bench.draw(12, 1, harness.KINDS) != bench.draw(12, 2, harness.KINDS)
    assert [Fault.parse(str(each)) for each in drawn] == drawn
    # It has no training states.
    assert not {"flip", "truncate"} & {each.kind for each in drawn}


# --- the page -------------------------------------------------------------------------


def test_the_table():
    assert command.table(RECORD).splitlines() == [
        "<!-- faults: begin -->",
        "| command | changes of files | kill | EIO | not survived |",
        "|---|---|---|---|---|",
        "| ner | 9 | 2 |  | 1 |",
        "| qa | 4 |  | 1 | 0 |",
    ]


def test_the_page_shows_the_record():
    record = json.loads(command.RECORD.read_text())
    assert set(record) == set(cases.CASES)
    assert command.table(record) in command.PAGE.read_text("utf-8")
