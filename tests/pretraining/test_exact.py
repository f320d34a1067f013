"""`--exact` gives the records of the original scripts, one by one."""

import dataclasses
import hashlib
import itertools
import json

import pytest
import tensorflow as tf

from biobert_tf.common.errors import InputError
from biobert_tf.common.settings import TextConfig
from biobert_tf.pretraining.data import exact
from biobert_tf.pretraining.data.settings import PairConfig
from biobert_tf.text.tokenization import FullTokenizer

TOY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[unused1]", *"abcdefgh", "##x"]


def read_records(path, compression=""):
    return [r.numpy() for r in tf.data.TFRecordDataset(str(path), compression)]


def parse(record):
    example = tf.train.Example.FromString(record)
    kinds = {name: f.WhichOneof("kind") for name, f in example.features.feature.items()}
    return {
        name: (kind, list(getattr(example.features.feature[name], kind).value))
        for name, kind in kinds.items()
    }


@pytest.fixture
def recorded(golden):
    """Folder of the recorded runs, and the settings of each."""
    folder = golden / "pretraining_data"
    return folder, json.loads((folder / "settings.json").read_text(encoding="utf-8"))


def convert_again(golden, run, directory):
    """Runs a recorded conversion; returns the counts and the files it wrote."""
    inputs = golden / "pretraining_data" / "input"
    paths = [path for name in run["inputs"] for path in sorted(inputs.glob(name))]
    vocab_file = {
        "cased": golden / "tokenization" / "vocab_cased.txt",
        "uncased": golden / "tokenization" / "vocab_uncased.txt",
        "small": golden / "model" / "vocab.txt",
    }[run["vocab"]]
    tokenizer = FullTokenizer(vocab_file, run["do_lower_case"])
    names = {field.name for field in dataclasses.fields(PairConfig)} & set(run)
    outputs = [directory / name for name in run["outputs"]]
    counts = exact.convert(
        exact.read_documents(paths, tokenizer),
        tokenizer.vocab,
        TextConfig(max_seq_length=run["max_seq_length"]),
        PairConfig(**{name: run[name] for name in names}),
        outputs,
    )
    return counts, outputs


@pytest.mark.golden
def test_records_are_those_of_the_original(recorded, golden, tmp_path):
    folder, settings = recorded
    for name, run in settings.items():
        counts, outputs = convert_again(golden, run, tmp_path / name)
        assert sum(c.num_records for c in counts) == run["total_instances"], name
        for path, file_counts in zip(outputs, counts, strict=True):
            expected = run["files"][path.name]
            assert file_counts.num_records == expected["records"], name
            assert file_counts.num_random_next == expected["random_next"], name
            ours = read_records(path)
            theirs = read_records(folder / name / f"{path.name}.gz", "GZIP")
            assert list(map(parse, ours)) == list(map(parse, theirs)), name
            digests = [hashlib.sha256(record).hexdigest()[:16] for record in ours]
            assert digests == expected["canonical_sha256_16"], name


# --- by hand ---------------------------------------------------------------------


@pytest.fixture
def tokenizer(tmp_path):
    path = tmp_path / "vocab.txt"
    path.write_text("".join(f"{token}\n" for token in TOY), encoding="utf-8")
    return FullTokenizer(path)


def read(tmp_path, tokenizer, *texts):
    """The documents of files with these bytes, as lists of sentences of tokens."""
    paths = [tmp_path / f"{number}.txt" for number in range(len(texts))]
    for path, text in zip(paths, texts, strict=True):
        path.write_bytes(text)
    documents = exact.read_documents(paths, tokenizer)
    tokens = tokenizer.convert_ids_to_tokens(documents.token_ids.tolist())
    cuts = documents.sentence_starts
    sentences = ["".join(tokens[a:b]) for a, b in itertools.pairwise(cuts)]
    cuts = documents.document_starts
    return [sentences[a:b] for a, b in itertools.pairwise(cuts)]


@pytest.mark.parametrize(
    "texts, documents",
    [
        ([b"a b\nc\n\nd"], [["ab", "c"], ["d"]]),
        ([b"\n \t\na\r\n\r\n\r\nb\n\n"], [["a"], ["b"]]),
        # A carriage return is nothing, a line separator a space.
        ([b"a\rx\r\n\r\nb"], [["a##x"], ["b"]]),
        ([b"a \rb\xe2\x80\xa8c d\n\rb\n\r\r\n\rb\r"], [["abcd", "b"], ["b"]]),
        # Not a blank line, though nothing is left of it.
        ([b"a\n\x00\n\xef\xbb\xbf\nb"], [["a", "b"]]),
        # The end of a file is no border.
        ([b"a\n\nb\n", b"c\n\nd"], [["a"], ["b", "c"], ["d"]]),
        ([b"a\n\n", b"c"], [["a"], ["c"]]),
    ],
)
def test_text_is_read_as_by_the_original(tmp_path, tokenizer, texts, documents):
    assert read(tmp_path, tokenizer, *texts) == documents


def test_lines_are_those_that_tensorflow_reads(tmp_path, tokenizer):
    """The reader of the original, tf.gfile.GFile, and ours, on every short text."""
    for symbols in itertools.product([b"a", b" ", b"\r", b"\n", b"b\n"], repeat=5):
        text = b"".join(symbols)
        if not text.strip():
            continue
        path = tmp_path / "0.txt"
        path.write_bytes(text)
        documents = [[]]
        with tf.io.gfile.GFile(str(path)) as reader:
            while line := reader.readline():
                if not line.strip():
                    documents.append([])
                elif tokens := tokenizer.tokenize(line):
                    documents[-1].append("".join(tokens))
        assert read(tmp_path, tokenizer, text) == [d for d in documents if d], text


def test_text_is_not_normalised(tmp_path):
    path = tmp_path / "vocab.txt"
    path.write_text("[UNK]\n[CLS]\n[SEP]\ne\n##\u0301\n\u00e9\n", encoding="utf-8")
    decomposed = "e\u0301 \u00e9\n".encode()
    assert read(tmp_path, FullTokenizer(path), decomposed) == [["e##\u0301\u00e9"]]


def test_bad_input_is_refused_with_its_place(tmp_path, tokenizer):
    with pytest.raises(InputError, match=r"0\.txt:2: byte 0xe9 is not UTF-8"):
        read(tmp_path, tokenizer, b"a\nb \xe9\n")
    with pytest.raises(InputError, match=r"0\.txt, .*1\.txt: no text"):
        read(tmp_path, tokenizer, b"\n\n", b" ")
    with pytest.raises(InputError, match="none: no such file"):
        exact.read_documents([tmp_path / "none"], tokenizer)


def instances_of(tmp_path, tokenizer, text, *, seed=1, **settings):
    path = tmp_path / "text.txt"
    path.write_text(text, encoding="utf-8")
    length = settings.pop("max_seq_length", 16)
    return exact.make_instances(
        exact.read_documents([path], tokenizer),
        tokenizer.vocab,
        TextConfig(max_seq_length=length),
        PairConfig(random_seed=seed, **settings),
    )


def original_ids(instance):
    ids = instance.input_ids.copy()
    ids[instance.masked_lm_positions] = instance.masked_lm_ids
    return ids.tolist()


def test_instances_by_hand(tmp_path, tokenizer):
    instances = instances_of(tmp_path, tokenizer, "a b\n\nc", dupe_factor=1)
    a, b, c = 6, 7, 8
    found = {
        tuple(original_ids(instance)): (instance.b_start, instance.is_random_next)
        for instance in instances
    }
    assert found == {(2, a, b, 3, c, 3): (4, True), (2, c, 3, a, b, 3): (3, True)}


def test_a_length_without_room_is_refused(tmp_path, tokenizer):
    with pytest.raises(InputError, match=r"--max_seq_length=4: must be at least 5"):
        instances_of(tmp_path, tokenizer, "a\n\nb", max_seq_length=4)


def test_random_next_may_be_of_the_same_document(tmp_path, tokenizer):
    instances = instances_of(tmp_path, tokenizer, "a\n", dupe_factor=3)
    assert [original_ids(instance) for instance in instances] == [[2, 6, 3, 6, 3]] * 3


def test_replacements_may_be_special_tokens(tmp_path, tokenizer):
    """Unlike in the default conversion: the whole vocabulary is drawn from."""
    instances = instances_of(tmp_path, tokenizer, "a b c\n\nd e", dupe_factor=2000)
    shown = {
        id_
        for instance in instances
        for id_ in instance.input_ids[instance.masked_lm_positions].tolist()
    }
    assert shown == set(tokenizer.vocab.values())


def test_a_word_goes_on_from_a_to_b(tmp_path, tokenizer):
    """A quirk of whole-word masking: here B begins with the end of a word."""
    together = 0
    for seed in range(40):
        for instance in instances_of(
            tmp_path,
            tokenizer,
            "a\nax\n\nb",
            seed=seed,
            dupe_factor=1,
            max_seq_length=5,
            masked_lm_prob=0.4,
            do_whole_word_mask=True,
        ):
            ids = original_ids(instance)
            if ids == [2, 6, 3, 14, 3]:
                assert instance.masked_lm_positions.tolist() == [1, 3]
                together += 1
    assert together > 3


def test_files_take_turns_and_are_counted(tmp_path, tokenizer):
    text = tmp_path / "text.txt"
    text.write_text("a b c\nd e\n\nf g\nh", encoding="utf-8")
    documents = exact.read_documents([text], tokenizer)
    arguments = (
        documents,
        tokenizer.vocab,
        TextConfig(max_seq_length=16),
        PairConfig(dupe_factor=3),
    )
    together, *turns = (tmp_path / name for name in ("whole", "one", "two", "three"))
    [whole] = exact.convert(*arguments, [together])
    counts = exact.convert(*arguments, turns)
    records = read_records(together)
    for number, (path, count) in enumerate(zip(turns, counts, strict=True)):
        own = read_records(path)
        assert own == records[number::3]
        features = [parse(record) for record in own]
        assert dataclasses.asdict(count) == {
            "num_records": len(own),
            "num_random_next": sum(f["next_sentence_labels"][1][0] for f in features),
            "num_masked": sum(sum(f["masked_lm_weights"][1]) for f in features),
            "num_tokens": sum(sum(f["input_mask"][1]) for f in features),
        }
    assert sum(count.num_records for count in counts) == whole.num_records > 6


def test_no_file_appears_when_one_cannot_be_written(tmp_path, tokenizer):
    (tmp_path / "text.txt").write_text("a\n\nb", encoding="utf-8")
    documents = exact.read_documents([tmp_path / "text.txt"], tokenizer)
    outputs = [tmp_path / "out" / "one", tmp_path / "text.txt" / "two"]
    with pytest.raises(InputError, match="two: cannot be written"):
        exact.convert(documents, tokenizer.vocab, TextConfig(), PairConfig(), outputs)
    assert not list((tmp_path / "out").iterdir())
