"""What is the same, bit by bit, in another process; what docs/reliability.md says."""

import dataclasses
import itertools
import os
import subprocess
import sys
from pathlib import Path

import ner_toys as toys
import pytest

from benchmarks import repeatability
from benchmarks.repeatability import Way

ROOT = Path(__file__).parents[2]
# Wide enough that threads share its products.
CONFIG = dataclasses.replace(
    toys.CONFIG, hidden_size=64, intermediate_size=128, max_position_embeddings=64
)
# The first process of all exports the model; it comes first of its kind, too.
WAYS = {
    "two threads": Way(""),
    "elsewhere": Way("", operations=1, processors=1),
    "one thread": Way("", threads=1),
    "with XLA": Way("", xla="on"),
}
RUN = """
import pathlib, sys
from benchmarks import repeatability
from benchmarks.repeatability import Way
repeatability.prepare()
work = repeatability.Work(*map(pathlib.Path, sys.argv[1:]), steps=3, length=48)
for number, way in enumerate({ways}):
    repeatability.run(work, way, work.folder / str(number))
"""


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    """Returns the difference of two ways, by part."""
    folder = tmp_path_factory.mktemp("repeated")
    words = itertools.cycle(itertools.chain.from_iterable(toys.TRAIN))
    rows = [list(itertools.islice(words, 10 + number)) for number in range(32)]
    toys.write_data(folder / "data", train=rows)
    toys.write_model(folder / "model", config=CONFIG)
    names = [folder / name for name in ("data", "model", "made")]
    names[2].mkdir()
    done = subprocess.run(
        [sys.executable, "-c", RUN.format(ways=list(WAYS.values())), *names],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    logs = "".join(path.read_text() for path in sorted(names[2].glob("*.log")))
    assert done.returncode == 0, f"{done.stderr}{logs}"[-3000:]

    def compare(name, other):
        numbers = [list(WAYS).index(each) for each in (name, other)]
        paths = [names[2] / f"{number}.npz" for number in numbers]
        return repeatability.compared(*paths)

    return compare


def test_equal_are_processes_with_as_many_threads(compared):
    """Whatever the number of processors, and of operations at a time."""
    equal = dict.fromkeys(repeatability.PARTS, 0.0)
    assert compared("elsewhere", "two threads") == equal


@pytest.mark.parametrize("name", ["one thread", "with XLA"])
def test_others_differ_by_their_rounding(compared, name):
    """A training with XLA has rows of one length, and so draws another dropout."""
    found = compared(name, "two threads")
    assert found["predictions"] < 1e-5 and found["SavedModel"] < 1e-5
    assert found["weights"] < (1e-6 if name == "one thread" else 5e-4)
