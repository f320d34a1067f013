# SPDX-License-Identifier: Apache-2.0
"""Every reader on damaged files: it reads them, or it says in a line what is wrong.

No other error, no endless loop, no message of pages. `make fuzz N=2000` tries more
files, and prints the table of docs/reliability_input.md.
"""

import os
import shutil
from collections import Counter

import hypothesis
import pytest
from fuzz import damage, readers, tensors, work

from biobert_tf.common.errors import InputError

# The files per reader. Where there are many, they are others every time.
NUM_FILES = int(os.environ.get("BIOBERT_FUZZ", 0))
SEED = int(os.environ.get("BIOBERT_FUZZ_SEED", 0))
LINES_PER_BYTE = 500
LONGEST_MESSAGE = 2000


def outcome(reader, data, folder, most_lines=None):
    """Reads a damaged file; returns read, read in part, or refused."""
    shutil.rmtree(folder, ignore_errors=True)
    inside = folder / "in"
    inside.mkdir(parents=True)
    for name, sound in reader.others.items():
        (inside / name).write_bytes(sound)
    path = inside / reader.file
    path.write_bytes(data)
    bad = []
    with work.limited(most_lines or reader.lines + LINES_PER_BYTE * len(data)):
        try:
            number = reader.read(path, bad.append)
        except InputError as error:
            number, bad = 0, [*bad, error]
    for error in bad:
        require_message(error, inside)
    if bad:
        return "read in part" if number else "refused"
    return "read"


def require_message(error, folder):
    message = str(error)
    assert len(message) <= LONGEST_MESSAGE
    assert message.isprintable()
    assert str(folder) in message


def check(reader, folder, num_files):
    """Tries damaged files; returns how many had which outcome."""
    tally = Counter()

    @hypothesis.seed(SEED)
    @hypothesis.settings(
        max_examples=num_files,
        deadline=None,
        database=None,
        suppress_health_check=list(hypothesis.HealthCheck),
        phases=(hypothesis.Phase.generate, hypothesis.Phase.shrink),
    )
    @hypothesis.given(damage.damaged(reader.seed, reader.is_json))
    def one(data):
        tally[outcome(reader, data, folder)] += 1

    # The first time, modules are imported and tables are made.
    outcome(reader, reader.seed, folder, most_lines=10**9)
    assert outcome(reader, reader.seed, folder) == "read"
    one()
    return tally


def shown(reader, tally):
    """Prints a row of the table in docs/reliability_input.md."""
    columns = (tally.total(), tally["read"], tally["read in part"], tally["refused"])
    print(f"| {reader.name} | {' | '.join(f'{number:,}' for number in columns)} |")


ALL = [
    *readers.TEXT_READERS,
    *readers.CORPUS_READERS,
    *readers.DOCUMENT_READERS,
    *readers.MODEL_READERS,
]


@pytest.fixture(scope="module")
def of_tensors(tmp_path_factory):
    made = tensors.readers(tmp_path_factory.mktemp("sound"))
    return {reader.name: reader for reader in made}


@pytest.mark.parametrize("name", tensors.NAMES)
def test_a_file_of_tensors_is_read_or_refused(name, of_tensors, tmp_path):
    reader = of_tensors[name]
    shown(reader, check(reader, tmp_path / "work", NUM_FILES or 15))


@pytest.mark.parametrize("reader", ALL, ids=lambda reader: reader.name)
def test_a_file_is_read_or_refused(reader, tmp_path):
    tally = check(reader, tmp_path / "work", NUM_FILES or 40)
    shown(reader, tally)
