"""New pieces: where they go, what they start from, and that nothing else moves."""

import dataclasses
import json

import checkpoint_toys as toys
import numpy as np
import pytest
import tensorflow as tf

from biobert_tf import checkpoints
from biobert_tf.checkpoints import huggingface, native, released, tf1, tokenizer_files
from biobert_tf.common.comma_lists import CommaList
from biobert_tf.common.errors import InputError
from biobert_tf.common.settings import ModelConfig, TextConfig
from biobert_tf.model import encoder
from biobert_tf.model.config import EncoderConfig
from biobert_tf.vocabularies import extension
from biobert_tf.vocabularies.extension import NewPiece
from biobert_tf.vocabularies.settings import ExtendConfig

# As many as the toy model has embeddings.
VOCAB = ["[PAD]", "[unused1]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
VOCAB += ["[unused2]", "a", "##b", "##c", "B"]
EMBEDDINGS = "bert/embeddings/word_embeddings"
BIAS = "cls/predictions/output_bias"
WEIGHTS = toys.weights("masked_lm", "next_sentence")


def write_vocab(path, entries):
    path.write_bytes("".join(f"{piece}\n" for piece in entries).encode())
    return path


@pytest.fixture
def model(tmp_path):
    """A folder like a released model with room for two new pieces."""
    folder = tmp_path / "model"
    tf1.write(WEIGHTS, folder / "model.ckpt-40", 40)
    (folder / "bert_config.json").write_text(json.dumps(vars(toys.CONFIG)))
    write_vocab(folder / "vocab.txt", VOCAB)
    return folder


def extend(source, add, output=None, **settings):
    config = ExtendConfig(
        add=CommaList.parse(str(add)),
        init_checkpoint=source,
        output_dir=output or source.parent / "extended",
        **settings,
    )
    return config.output_dir, extension.extend(config)


def entries_of(folder):
    return (folder / "vocab.txt").read_text(encoding="utf-8").split("\n")[:-1]


def mean_of(rows, *pieces):
    chosen = [rows[VOCAB.index(piece)].astype(np.float64) for piece in pieces]
    return np.asarray(sum(chosen) / len(chosen), np.float32)


def assert_only_rows_changed(actual, rows):
    """All weights are the old ones, apart from these rows of two of them."""
    kept = dict(actual)
    for name in (EMBEDDINGS, BIAS):
        kept[name] = actual[name][: len(WEIGHTS[name])].copy()
        for row in rows:
            if row < len(kept[name]):
                kept[name][row] = WEIGHTS[name][row]
    toys.assert_same(kept, WEIGHTS)


# --- where they go ---------------------------------------------------------------


def test_in_unused_entries(model):
    folder, done = extend(model, "abc,Bb")
    assert done.placed == (
        NewPiece("abc", 1, ("a", "##b", "##c")),
        NewPiece("Bb", 6, ("B", "##b")),
    )
    wanted = list(VOCAB)
    wanted[1], wanted[6] = "abc", "Bb"
    assert entries_of(folder) == wanted
    assert EncoderConfig.from_json(folder / "bert_config.json") == toys.CONFIG
    weights = checkpoints.locate(folder).read().weights
    assert_only_rows_changed(weights, (1, 6))
    for name in (EMBEDDINGS, BIAS):
        old = WEIGHTS[name]
        np.testing.assert_array_equal(weights[name][1], mean_of(old, "a", "##b", "##c"))
        np.testing.assert_array_equal(weights[name][6], mean_of(old, "B", "##b"))
    assert not (folder / "labels.json").exists()


def test_appended(model):
    folder, done = extend(model, "abc,Bb,##bc", place="append")
    assert [new.id for new in done.placed] == [11, 12, 13]
    assert entries_of(folder) == [*VOCAB, "abc", "Bb", "##bc"]
    config = EncoderConfig.from_json(folder / "bert_config.json")
    assert config == dataclasses.replace(toys.CONFIG, vocab_size=14)
    weights = checkpoints.locate(folder).read().weights
    assert_only_rows_changed(weights, (11, 12, 13))
    for name in (EMBEDDINGS, BIAS):
        old = WEIGHTS[name]
        assert len(weights[name]) == 14
        np.testing.assert_array_equal(
            weights[name][11], mean_of(old, "a", "##b", "##c")
        )
        np.testing.assert_array_equal(weights[name][13], mean_of(old, "##b", "##c"))


def test_appended_to_a_padded_model(model):
    # Sixteen embeddings, eleven entries: the rows after them are nobody's.
    padded = dict(WEIGHTS)
    for name in (EMBEDDINGS, BIAS):
        rest = np.ones_like(WEIGHTS[name][:5])
        padded[name] = np.concatenate([WEIGHTS[name], rest])
    tf1.write(padded, model / "model.ckpt-40", 40)
    config = dataclasses.replace(toys.CONFIG, vocab_size=16)
    (model / "bert_config.json").write_text(json.dumps(vars(config)))
    folder, done = extend(model, "ab", place="append")
    assert done.placed == (NewPiece("ab", 11, ("a", "##b")),)
    assert EncoderConfig.from_json(folder / "bert_config.json") == config
    weights = checkpoints.locate(folder).read().weights
    assert_only_rows_changed(weights, ())
    expected = mean_of(WEIGHTS[EMBEDDINGS], "a", "##b")
    np.testing.assert_array_equal(weights[EMBEDDINGS][11], expected)
    # The extended model is one that can be used, and extended.
    more, _ = extend(folder, "Ba", place="append", output=folder.parent / "more")
    assert entries_of(more)[11:] == ["ab", "Ba"]


def test_only_the_vocabulary(tmp_path):
    vocab_file = write_vocab(tmp_path / "v.txt", VOCAB)
    output = tmp_path / "new"
    done = extension.extend(
        ExtendConfig(
            vocab_file=vocab_file, add=CommaList.parse("ab"), output_dir=output
        )
    )
    assert entries_of(output) == [VOCAB[0], "ab", *VOCAB[2:]]
    assert [path.name for path in output.iterdir()] == ["vocab.txt"]
    assert done.summary().splitlines() == [
        "ab: 1, was a ##b",
        f"wrote {output}: 11 entries, 1 of them new",
    ]


def test_other_lines_keep_their_ids(tmp_path):
    # A byte order mark, a blank line, white space, \r\n, an entry given twice.
    text = "\ufeff[PAD]\r\n\r\n[UNK]\n[CLS]\n[SEP] \na\na\u2028\n##b\n[unused7] "
    (tmp_path / "v.txt").write_text(text, encoding="utf-8", newline="")
    for place, id_ in (("unused", 8), ("append", 9)):
        output = tmp_path / place
        done = extension.extend(
            ExtendConfig(
                vocab_file=tmp_path / "v.txt",
                add=CommaList.parse("ab"),
                output_dir=output,
                place=place,
            )
        )
        assert done.placed == (NewPiece("ab", id_, ("a", "##b")),)
        old = released.FullTokenizer(tmp_path / "v.txt").vocab
        new = released.FullTokenizer(output / "vocab.txt").vocab
        expected = {piece: i for piece, i in old.items() if i != id_}
        assert new == {**expected, "ab": id_}


def test_the_model_is_loaded_like_a_released_one(model):
    folder, _ = extend(model, "abc", place="append")
    loaded = released.load(
        TextConfig(max_seq_length=8), ModelConfig(init_checkpoint=folder), folder
    )
    assert loaded.tokenizer.tokenize("abc ab") == ["abc", "a", "##b"]
    assert loaded.encoder_config.vocab_size == 12
    assert checkpoints.locate(folder).read().source == folder / "bert_model.ckpt"


@pytest.mark.parametrize("place", ["unused", "append"])
def test_text_without_new_pieces_is_encoded_as_before(model, place):
    folder, _ = extend(model, "Bbc,##bc", place=place)

    def encode(source):
        found = checkpoints.locate(source).read()
        config = EncoderConfig.from_json(source / "bert_config.json")
        network = encoder.Encoder(config)
        native.assign(network.variables, found.weights, source=found.source)
        tokenizer = released.FullTokenizer(source / "vocab.txt")
        ids = tokenizer.convert_tokens_to_ids(tokenizer.tokenize("a ab B acb"))
        outputs = network(*encoder.inputs({"input_ids": tf.constant([ids])}))
        return ids, outputs.sequence_output.numpy()

    (old_ids, old), (new_ids, new) = encode(model), encode(folder)
    assert new_ids == old_ids
    assert new.tobytes() == old.tobytes()


def test_from_hugging_face(model, tmp_path):
    pytest.importorskip("safetensors")
    source = tmp_path / "hf"
    vocabulary = tokenizer_files.read_vocabulary(model / "vocab.txt")
    huggingface.write(WEIGHTS, source, toys.CONFIG, vocabulary, False, None, "auto")
    folder, done = extend(source, "abc")
    assert done.source == source
    weights = checkpoints.locate(folder).read().weights
    assert_only_rows_changed(weights, (1,))
    expected = mean_of(WEIGHTS[BIAS], "a", "##b", "##c")
    np.testing.assert_array_equal(weights[BIAS][1], expected)


def test_without_masked_language_model(model, tmp_path):
    tf1.write(toys.weights("next_sentence"), model / "model.ckpt-40", 40)
    folder, _ = extend(model, "ab")
    weights = checkpoints.locate(folder).read().weights
    assert BIAS not in weights
    expected = mean_of(WEIGHTS[EMBEDDINGS], "a", "##b")
    np.testing.assert_array_equal(weights[EMBEDDINGS][1], expected)


def test_labels_go_along(model):
    tf1.write(toys.weights("classifier"), model / "model.ckpt-40", 40)
    (model / "labels.json").write_text('{"labels": ["x", "B", "O"]}')
    folder, _ = extend(model, "ab")
    assert json.loads((folder / "labels.json").read_text()) == {
        "labels": ["x", "B", "O"]
    }


@pytest.mark.data
def test_a_checkpoint_with_optimizer_state(data, tmp_path):
    source = data / "checkpoints" / "toy_tf1"
    old = checkpoints.locate(source).read()
    config = EncoderConfig.from_json(source / "bert_config.json")
    output = tmp_path / "new"
    done = extension.extend(
        ExtendConfig(
            add=CommaList.parse("\u03b1\u03b2\u03b3xyz,##\u03b1\u03b2\u03b3xyz"),
            init_checkpoint=source,
            output_dir=output,
            place="append",
        )
    )
    assert [new.id for new in done.placed] == [config.vocab_size, config.vocab_size + 1]
    new = checkpoints.locate(output).read()
    assert new.ignored == ("global_step",)
    assert old.weights.keys() == new.weights.keys()
    for name, weight in old.weights.items():
        rows = new.weights[name]
        if name in (EMBEDDINGS, BIAS):
            assert len(rows) == config.vocab_size + 2
            rows = rows[:-2]
        assert rows.tobytes() == weight.tobytes(), name


# --- what they start from --------------------------------------------------------


@pytest.mark.parametrize(
    ("piece", "old_pieces"),
    [
        ("ab", ("a", "##b")),
        ("acb", ("a", "##c", "##b")),
        # Inside a word: "b" alone does not start one in this vocabulary, "a" does.
        ("##bc", ("##b", "##c")),
        ("##cbb", ("##c", "##b", "##b")),
        ("##ab", ("[UNK]",)),
        ("b", ("[UNK]",)),
        ("abz", ("[UNK]",)),
    ],
)
def test_old_pieces(model, piece, old_pieces):
    folder, done = extend(model, piece)
    assert done.placed == (NewPiece(piece, 1, old_pieces),)
    weights = checkpoints.locate(folder).read().weights
    expected = mean_of(WEIGHTS[EMBEDDINGS], *old_pieces)
    np.testing.assert_array_equal(weights[EMBEDDINGS][1], expected)


def test_new_pieces_are_not_made_of_each_other(model):
    _, done = extend(model, "ab,abc")
    assert [new.old_pieces for new in done.placed] == [
        ("a", "##b"),
        ("a", "##b", "##c"),
    ]


# --- which there can be ----------------------------------------------------------


def test_present_ones_are_reported_and_left(model, tmp_path):
    (tmp_path / "new.txt").write_text("a\n\nab\n##b\nab\n")
    folder, done = extend(model, str(tmp_path / "new.txt"))
    assert done.placed == (NewPiece("ab", 1, ("a", "##b")),)
    assert done.present == ("a", "##b", "ab")
    assert done.summary().splitlines() == [
        "ab: 1, was a ##b",
        "already present: a ##b ab",
        f"wrote {folder}: the model of {model}, 11 entries, 1 of them new",
    ]


def test_nothing_new(model):
    folder, done = extend(model, "a")
    assert done.placed == ()
    assert entries_of(folder) == VOCAB
    toys.assert_same(checkpoints.locate(folder).read().weights, WEIGHTS)


@pytest.mark.parametrize(
    ("piece", "problem"),
    [
        ("tumor necrosis", "makes 'tumor' 'necrosis' of 'tumor necrosis'"),
        ("IL-2", "makes 'IL' '-' '2' of 'IL-2'"),
        ("##-a", "makes 'x' '-' 'a' of 'x-a'"),
        ("##.", "makes 'x' '.' of 'x.'"),
        ("a\x00b", r"'a\x00b' can never occur: the tokenizer makes 'ab' of 'a\x00b'"),
        ("\u200b", r"makes nothing of '\u200b'"),
        ("日本", "makes '日' '本' of '日本'"),
        ("##日", "makes 'x' '日' of 'x日'"),
        ("[unused3]", "makes '[' 'unused3' ']' of '[unused3]'"),
        ("##", "'##' has no characters after the ##"),
        ("a" * 201, "longer than 200 characters"),
        ("##" + "a" * 200, "longer than 200 characters"),
    ],
)
def test_impossible_pieces(model, tmp_path, piece, problem):
    path = tmp_path / "new.txt"
    path.write_text(f"ab\n\n{piece}\n", encoding="utf-8")
    with pytest.raises(InputError) as error:
        extend(model, str(path))
    assert str(error.value).startswith(f"{path}:3: ")
    assert problem in str(error.value)
    assert not (tmp_path / "extended").exists()


@pytest.mark.parametrize("piece", ["a" * 200, "##" + "a" * 199, "-", "日", "é", "p53"])
def test_possible_pieces(model, piece):
    assert [new.piece for new in extend(model, piece)[1].placed] == [piece]


@pytest.mark.parametrize(
    ("piece", "made"), [("Ab", "'ab'"), ("étude", "'etude'"), ("##B", "'xb'")]
)
def test_impossible_in_an_uncased_vocabulary(model, piece, made):
    write_vocab(model / "vocab.txt", [*VOCAB[:-1], "b"])
    with pytest.raises(InputError, match=rf"^--add: .* the tokenizer makes {made} of"):
        extend(model, piece)


def test_impossible_in_the_flag(model):
    with pytest.raises(InputError, match=r"^--add: 'b c' can never occur"):
        extend(model, "ab, b c")


def test_a_list_too_long_for_a_file_name(model):
    add = ",".join(f"ab{i}" for i in range(100))
    assert len(extend(model, add, place="append")[1].placed) == 100


@pytest.mark.parametrize("add", ["", " , ,"])
def test_nothing_to_add(model, add):
    with pytest.raises(InputError, match="holds no piece"):
        extend(model, add)


def test_an_empty_file(model, tmp_path):
    (tmp_path / "new.txt").write_text("\n")
    with pytest.raises(InputError, match=r"new\.txt: holds no piece"):
        extend(model, str(tmp_path / "new.txt"))


@pytest.mark.parametrize("add", ["words/new", "new.txt"])
def test_missing_file(model, add):
    with pytest.raises(InputError, match=f"{add}: no such file"):
        extend(model, add)


def test_too_few_unused_entries(model, tmp_path):
    with pytest.raises(
        InputError,
        match=r"vocab\.txt: 2 \[unusedN\] entries for 3 new pieces; .*--place=append",
    ):
        extend(model, "ab,ac,bc")
    assert not (tmp_path / "extended").exists()


# --- files -----------------------------------------------------------------------


def test_another_directory_must_be_given(model, tmp_path):
    extend(model, "ab")
    with pytest.raises(InputError, match="extended: exists; give a new or empty"):
        extend(model, "ac")
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(InputError, match="file: exists"):
        extension.extend(
            ExtendConfig(
                add=CommaList.parse("ab"), init_checkpoint=model, output_dir=file
            )
        )


def test_a_failure_leaves_nothing(model, tmp_path, monkeypatch):
    def fail(*_, **__):
        raise OSError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr(tf1, "write", fail)
        with pytest.raises(OSError, match="disk full"):
            extend(model, "ab")
    assert {path.name for path in tmp_path.iterdir()} == {model.name}
    # What a killed run leaves is hidden and in nobody's way.
    (tmp_path / "extended" / ".partial-x").mkdir(parents=True)
    extend(model, "ab")


def test_vocabulary_of_another_model(model):
    write_vocab(model / "vocab.txt", [*VOCAB, "C"])
    with pytest.raises(InputError, match=r"has 12 entries, but the vocab_size"):
        extend(model, "ab")


def test_sizes_of_another_model(model):
    config = dataclasses.replace(toys.CONFIG, hidden_size=8)
    (model / "bert_config.json").write_text(json.dumps(vars(config)))
    with pytest.raises(InputError, match="hidden_size is 4 in the checkpoint and 8"):
        extend(model, "ab")


def test_files_can_be_named(model, tmp_path):
    (model / "vocab.txt").rename(tmp_path / "v.txt")
    (model / "bert_config.json").rename(tmp_path / "c.json")
    with pytest.raises(InputError, match=r"no vocab\.txt beside it; give --vocab_file"):
        extend(model, "ab")
    settings = {
        "vocab_file": tmp_path / "v.txt",
        "bert_config_file": tmp_path / "c.json",
    }
    folder, _ = extend(model, "ab", **settings)
    assert entries_of(folder)[1] == "ab"


def test_nothing_to_extend(tmp_path):
    with pytest.raises(InputError, match="--vocab_file or --init_checkpoint"):
        ExtendConfig(add=CommaList.parse("ab"), output_dir=tmp_path / "new")
