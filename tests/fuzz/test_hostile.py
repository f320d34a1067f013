# SPDX-License-Identifier: Apache-2.0
"""Files made to do harm: entities, pickles, long lines, numbers that are none."""

import gzip
import json
import pickle
import sys
import types

import pytest
from fuzz import readers, tensors, work
from fuzz.test_readers import outcome, require_message

from biobert_tf.checkpoints import huggingface
from biobert_tf.common.errors import InputError

SECRET = "what only this computer knows"
BOMB = "".join(
    f"<!ENTITY l{level} '{f'&l{level - 1};' * 10}'>" for level in range(1, 12)
)
XML = [
    reader
    for reader in (*readers.CORPUS_READERS, *readers.DOCUMENT_READERS)
    if reader.file.endswith((".xml", ".nxml"))
]


def with_declaration(reader, declared, entity):
    """Returns the XML of a reader that declares an entity and uses it in all texts."""
    root = {"PubMed": "PubmedArticleSet", "JATS": "article"}.get(reader.name, "x")
    text = reader.seed.decode()
    head = f"<!DOCTYPE {root} [{declared}]>"
    begin = text.index("?>") + 2 if text.startswith("<?xml") else 0
    text = text[:begin] + head + text[begin:]
    return text.replace(" ", f" &{entity}; ", 1).replace("zinc", f"&{entity};").encode()


@pytest.mark.parametrize("reader", XML, ids=lambda reader: reader.name)
def test_an_entity_is_never_expanded(reader, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text(SECRET)
    for declared, entity in (
        (f'<!ENTITY x SYSTEM "{secret.as_uri()}">', "x"),
        (f"<!ENTITY l0 'lol'>{BOMB}", "l11"),
        (f'<!ENTITY % x SYSTEM "{secret.as_uri()}"> %x;', "y"),
    ):
        data = with_declaration(reader, declared, entity)
        told = []
        path = tmp_path / reader.file
        path.write_bytes(data)
        with work.held() as most, work.limited(200_000):
            try:
                number = reader.read(path, told.append)
            except InputError as error:
                number = 0
                told.append(error)
        assert number == 0
        assert told
        assert not any(SECRET in str(error) for error in told)
        assert most[0] < 20_000_000


def test_a_pickle_is_not_loaded(tmp_path, monkeypatch):
    """Not without torch; with it, torch is told to load tensors only."""

    class Harm:
        def __reduce__(self):
            return (tmp_path.joinpath("harmed").mkdir, ())

    (tmp_path / "config.json").write_bytes(readers.HF_CONFIG)
    (tmp_path / "pytorch_model.bin").write_bytes(pickle.dumps(Harm()))
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(InputError, match=r"pytorch_model\.bin only; install torch"):
        huggingface.read(tmp_path)
    asked = {}

    def load(path, **given):
        asked.update(given)
        raise RuntimeError("Weights only load failed")

    monkeypatch.setitem(sys.modules, "torch", types.SimpleNamespace(load=load))
    with pytest.raises(InputError, match="Weights only load failed"):
        huggingface.read(tmp_path)
    assert asked["weights_only"] is True
    assert not (tmp_path / "harmed").exists()


LONG = 10_000_000
# The values of JSON that stand for NUMBERS of all kinds.
NUMBERS = ["NaN", "Infinity", "-Infinity", "1e400", "9" * 5000, "true", "-1", "1.5"]


def with_long_line(reader):
    """Returns the file of a reader with a line, or in JSON a string, of 10 MB more."""
    line, seed = b"x" * LONG, reader.seed
    if reader.is_json:
        start = seed.index(b'"', seed.index(b'": ')) + 1
        return seed[:start] + line + seed[start:]
    end = seed.index(b"\n") + 1
    return seed[:end] + line + b"\n" + seed[end:]


IN_TEXT = [
    reader
    for reader in (
        *readers.TEXT_READERS,
        *readers.CORPUS_READERS,
        *readers.DOCUMENT_READERS,
        *readers.MODEL_READERS,
    )
    if not reader.file.endswith((".gz", ".zip", ".tar"))
]


@pytest.mark.parametrize("reader", IN_TEXT, ids=lambda reader: reader.name)
def test_a_line_of_ten_megabytes_takes_the_memory_of_some_copies(reader, tmp_path):
    for name, sound in reader.others.items():
        (tmp_path / name).write_bytes(sound)
    path = tmp_path / "in" / reader.file
    path.parent.mkdir()
    path.write_bytes(with_long_line(reader))
    bad = []
    with work.held() as most:
        try:
            reader.read(path, bad.append)
        except InputError as error:
            bad.append(error)
    assert most[0] < 30 * LONG
    for error in bad:
        require_message(error, tmp_path)


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize(
    ("name", "old"),
    [
        ("documents, JSON lines", '"start": 0'),
        ("BioC JSON", '"offset": 0, "text"'),
        ("SQuAD", '"answer_start": 0'),
    ],
)
def test_an_offset_is_a_whole_number(name, old, number, tmp_path):
    [reader] = [one for one in readers_of_json() if one.name == name]
    key, _, rest = old.partition(": 0")
    data = reader.seed.decode().replace(old, f"{key}: {number}{rest}", 1).encode()
    assert data != reader.seed
    # -1 is one: a passage begins there, and a question whose answer does is left out.
    found = outcome(reader, data, tmp_path / "work")
    assert found != "read" or (number == "-1" and "JSON lines" not in name)


def readers_of_json():
    return (*readers.TEXT_READERS, *readers.DOCUMENT_READERS)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "true", "1e400", "9" * 20])
def test_a_size_is_a_number(number, tmp_path):
    [reader] = [one for one in readers.MODEL_READERS if one.name == "bert_config.json"]
    for name in ("hidden_size", "hidden_dropout_prob"):
        values = json.loads(reader.seed)
        values[name] = "?"
        data = json.dumps(values).replace('"?"', number).encode()
        assert outcome(reader, data, tmp_path / "work") == "refused"


def test_a_small_file_that_unpacks_to_much_is_read_in_pieces(tmp_path):
    """Ten megabytes of blank lines: the corpus holds two documents."""
    [reader] = [one for one in readers.CORPUS_READERS if one.file == "a.txt"]
    path = tmp_path / "a.txt.gz"
    blank = gzip.compress((b" " * 999 + b"\n") * 10_000, mtime=0)
    path.write_bytes(gzip.compress(b"One.\n\n") + blank + gzip.compress(b"Two.\n"))
    bad = []
    with work.held() as most:
        assert reader.read(path, bad.append) == 2
    assert most[0] < 5_000_000
    assert not bad


def test_tensors_are_as_long_as_their_file(tmp_path):
    """A header may promise more bytes than there are."""
    made = tmp_path / "made"
    made.mkdir()
    [reader] = [one for one in tensors.readers(made) if one.name == "safetensors"]
    length = int.from_bytes(reader.seed[:8], "little")
    header = json.loads(reader.seed[8 : 8 + length])
    for tensor in header.values():
        if "shape" in tensor:
            tensor["shape"], tensor["data_offsets"] = [2**40], [0, 2**42]
    new = json.dumps(header).encode()
    data = len(new).to_bytes(8, "little") + new + reader.seed[8 + length :]
    assert outcome(reader, data, tmp_path / "work") == "refused"
    data = (2**62).to_bytes(8, "little") + reader.seed[8:]
    assert outcome(reader, data, tmp_path / "work") == "refused"
