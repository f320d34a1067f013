# SPDX-License-Identifier: Apache-2.0
import dataclasses
import json
from pathlib import Path

import ner_toys as toys
import numpy as np
import pytest

from biobert_tf import checkpoints
from biobert_tf.checkpoints import released, tokenizer_files
from biobert_tf.common import files
from biobert_tf.common import settings as config
from biobert_tf.common.errors import InputError
from biobert_tf.text.tokenization import FullTokenizer


def load(tmp_path, **settings):
    names = {field.name for field in dataclasses.fields(config.ModelConfig)}
    model = {name: settings.pop(name) for name in names & set(settings)}
    return released.load(
        config.TextConfig(**{"max_seq_length": 12, **settings}),
        config.ModelConfig(**model),
        tmp_path / "output",
    )


def write_released(folder, config=toys.CONFIG):
    """Everything that comes with weights; of these, only what says they are there."""
    toys.write_released(folder, config)
    files.write_text(folder / "model.ckpt-7.index", "")
    return folder


def write_other(folder, **changes):
    """A model that can be told from the toy by its sizes."""
    return write_released(folder, dataclasses.replace(toys.CONFIG, **changes))


def test_files_that_are_given(tmp_path):
    folder = write_released(tmp_path / "released")
    write_other(tmp_path / "output", num_hidden_layers=3)
    parts = load(
        tmp_path,
        vocab_file=folder / "vocab.txt",
        bert_config_file=folder / "bert_config.json",
    )
    assert parts.encoder_config == toys.CONFIG
    assert parts.tokenizer.tokenize("nephritis") == ["nephr", "##itis"]
    assert parts.tokenizer.vocab_file == folder / "vocab.txt"
    assert parts.init_checkpoint is None


@pytest.mark.parametrize("name", [".", "model.ckpt-7", "model.ckpt-7.index"])
def test_files_beside_the_checkpoint(tmp_path, name):
    folder = write_released(tmp_path / "released")
    write_other(tmp_path / "output", num_hidden_layers=3)
    parts = load(tmp_path, init_checkpoint=folder / name)
    assert parts.encoder_config == toys.CONFIG
    assert parts.init_checkpoint == folder / name


def test_a_flag_goes_before_the_checkpoint(tmp_path):
    folder = write_released(tmp_path / "released")
    other = write_other(tmp_path / "other", num_hidden_layers=3)
    parts = load(
        tmp_path, init_checkpoint=folder, bert_config_file=other / "bert_config.json"
    )
    assert parts.encoder_config.num_hidden_layers == 3
    assert parts.tokenizer.vocab_file == folder / "vocab.txt"


def test_files_of_a_finished_run(tmp_path):
    write_released(tmp_path / "output")
    assert load(tmp_path).encoder_config == toys.CONFIG


def test_lower_casing(tmp_path):
    folder = write_released(tmp_path / "released")
    pieces = [piece.lower() if piece[0] != "[" else piece for piece in toys.VOCAB]
    files.write_text(folder / "vocab.txt", "\n".join(pieces))
    parts = load(tmp_path, init_checkpoint=folder, do_lower_case=True)
    assert parts.tokenizer.tokenize("LIVER") == ["liver"]


def refused(tmp_path, **settings):
    with pytest.raises(InputError) as caught:
        load(tmp_path, **settings)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_nothing_is_found(tmp_path):
    message = refused(tmp_path)
    assert message.startswith("--bert_config_file is not given, and there is no ")
    assert str(tmp_path / "output") in message
    folder = write_released(tmp_path / "released")
    (folder / "vocab.txt").unlink()
    message = refused(tmp_path, init_checkpoint=folder)
    assert message.startswith("--vocab_file is not given, and there is no vocab.txt")


@pytest.mark.parametrize(
    "name, problem",
    [
        ("absent/model.ckpt", "no such checkpoint; "),
        ("absent.tar.gz", "no such file"),
        ("empty", "holds no checkpoint (*.index)"),
    ],
)
def test_a_checkpoint_that_is_given_must_exist(tmp_path, name, problem):
    (tmp_path / "empty").mkdir()
    path = tmp_path / name
    message = refused(tmp_path, init_checkpoint=path)
    assert message.startswith(f"{path}: {problem}")


def test_a_file_that_is_given_must_exist(tmp_path):
    folder = write_released(tmp_path / "released")
    message = refused(tmp_path, init_checkpoint=folder, vocab_file=tmp_path / "no.txt")
    assert message.startswith(f"{tmp_path / 'no.txt'}: ")


def test_sequence_longer_than_the_positions(tmp_path):
    folder = write_released(tmp_path / "released")
    most = toys.CONFIG.max_position_embeddings
    assert load(tmp_path, init_checkpoint=folder, max_seq_length=most)
    message = refused(tmp_path, init_checkpoint=folder, max_seq_length=most + 1)
    assert message.startswith(f"--max_seq_length={most + 1} is above the max_position")


def test_vocabulary_larger_than_the_model(tmp_path):
    folder = write_released(tmp_path / "released")
    size = len(toys.VOCAB)
    with (folder / "vocab.txt").open("a") as file:
        file.write("one\n")
    message = refused(tmp_path, init_checkpoint=folder)
    assert message.startswith(
        f"{folder / 'vocab.txt'}: has {size + 1} entries, but the vocab_size of "
        f"{folder / 'bert_config.json'} is {size}"
    )


@pytest.mark.parametrize(
    ("entries", "rows", "is_good"),
    [
        (28_996, 28_996, True),
        (31_090, 31_090, True),
        # NVIDIA's.
        (30_522, 30_528, True),
        (28_996, 29_000, True),
        (16, 16, True),
        (16, 24, False),
        (15, 14, False),
        # Filled up to the next multiple of 64.
        (28_996, 29_056, False),
        (30_522, 28_996, False),
        (28_996, 30_522, False),
    ],
)
def test_the_vocabulary_has_the_size_of_the_embedding(entries, rows, is_good):
    config = dataclasses.replace(toys.CONFIG, vocab_size=rows)
    given = {"last": entries - 1}, Path("v.txt"), config, Path("c.json")
    if is_good:
        released.require_size(*given)
        return
    with pytest.raises(InputError, match=rf"v.txt: has {entries} .* c.json is {rows}"):
        released.require_size(*given)


def test_case(tmp_path):
    folder = write_released(tmp_path / "released")
    message = refused(tmp_path, init_checkpoint=folder, do_lower_case=True)
    line = toys.ID["Liver"] + 1
    assert message.startswith(f"{folder / 'vocab.txt'}:{line}: the vocabulary is cased")
    files.write_text(folder / "vocab.txt", "[UNK]\n[CLS]\n[SEP]\nliver\n")
    message = refused(tmp_path, init_checkpoint=folder)
    assert "the vocabulary is lower-cased" in message


def test_labels_come_from_the_first_place_that_has_them(tmp_path):
    for name in ("a", "b"):
        files.write_json(tmp_path / name / "labels.json", {"labels": ["O", name]})
    (tmp_path / "none").mkdir()
    places = [None, tmp_path / "none", tmp_path / "a", tmp_path / "b"]
    assert released.load_labels(places) == ("O", "a")
    assert released.load_labels([tmp_path / "none", None]) is None


def test_save_writes_what_load_reads(tmp_path):
    folder = write_released(tmp_path / "released")
    tokenizer = FullTokenizer(folder / "vocab.txt")
    weights = {"output_bias": np.arange(3, dtype=np.float32)}
    output = tmp_path / "output"
    vocab_file, labels = tokenizer.vocab_file, ("O", "B", "I")
    prefix = released.save(toys.CONFIG, vocab_file, weights, output, 40, labels)
    assert prefix == output / "model.ckpt-40"
    stored = checkpoints.locate(output).read().weights
    np.testing.assert_array_equal(stored["output_bias"], [0, 1, 2])
    again = load(tmp_path)
    assert again.encoder_config == toys.CONFIG
    assert again.tokenizer.vocab == tokenizer.vocab
    assert released.load_labels([output]) == ("O", "B", "I")
    assert json.loads((output / "labels.json").read_text()) == {
        "labels": ["O", "B", "I"]
    }


def test_save_beside_its_own_vocabulary(tmp_path):
    folder = write_released(tmp_path / "output")
    text = (folder / "vocab.txt").read_bytes()
    weights = {"output_bias": np.zeros(1, np.float32)}
    vocab_file = load(tmp_path).tokenizer.vocab_file
    released.save(toys.CONFIG, vocab_file, weights, folder, 1)
    assert (folder / "vocab.txt").read_bytes() == text


# --- tokenizer.json, all that Transformers 5 saves -----------------------------------


def write_tokenizer(folder, do_lower_case=False):
    """Writes a model whose vocabulary is in its `tokenizer.json` alone."""
    write_released(folder)
    vocabulary = tokenizer_files.read_vocabulary(folder / "vocab.txt")
    tokenizer_files.write(folder, vocabulary, do_lower_case, max_length=16)
    (folder / "vocab.txt").unlink()
    (folder / "tokenizer_config.json").unlink()
    return folder


@pytest.mark.parametrize("is_given", [False, True])
def test_the_vocabulary_of_a_tokenizer(tmp_path, is_given):
    folder = write_tokenizer(tmp_path / "saved")
    given = {"vocab_file": folder / "tokenizer.json"} if is_given else {}
    parts = load(tmp_path, init_checkpoint=folder, **given)
    assert parts.tokenizer.vocab == toys.ID
    assert parts.tokenizer.tokenize("nephritis") == ["nephr", "##itis"]
    # What a run writes has it as a list.
    released.save(
        parts.encoder_config,
        parts.tokenizer.vocab_file,
        {"a": np.zeros(1, np.float32)},
        tmp_path / "output",
        7,
    )
    assert FullTokenizer(tmp_path / "output" / "vocab.txt").vocab == toys.ID


def test_a_list_goes_before_a_tokenizer(tmp_path):
    folder = write_tokenizer(tmp_path / "saved", do_lower_case=True)
    toys.write_vocab(folder / "vocab.txt")
    parts = load(tmp_path, init_checkpoint=folder)
    assert parts.tokenizer.vocab_file == folder / "vocab.txt"


@pytest.mark.parametrize("stored", [False, True])
def test_a_tokenizer_of_the_other_case(tmp_path, stored):
    folder = write_tokenizer(tmp_path / "saved", do_lower_case=stored)
    message = refused(tmp_path, init_checkpoint=folder, do_lower_case=not stored)
    says = "lower-cases" if stored else "does not lower-case"
    assert message == (
        f"{folder / 'tokenizer.json'}: the tokenizer {says} but do_lower_case is "
        f"{str(not stored).lower()}; set it to {str(stored).lower()}"
    )


def test_a_tokenizer_that_is_none_of_bert(tmp_path):
    folder = write_tokenizer(tmp_path / "saved")
    files.write_json(folder / "tokenizer.json", {"model": {"type": "BPE"}})
    message = refused(tmp_path, init_checkpoint=folder)
    assert message.endswith("tokenizer.json: is not a WordPiece tokenizer like BERT's")


def test_what_a_tokenizer_does_otherwise_is_told(tmp_path, caplog):
    folder = write_tokenizer(tmp_path / "saved")
    path = folder / "tokenizer.json"
    values = files.read_json(path)
    values["normalizer"]["strip_accents"] = True
    files.write_json(path, values)
    load(tmp_path, init_checkpoint=folder)
    [told] = caplog.messages
    assert told == f"{path}: these options are ignored: strip_accents=True"
