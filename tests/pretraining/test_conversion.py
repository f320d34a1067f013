import concurrent.futures
import contextlib
import dataclasses
import fcntl
import hashlib
import io
import itertools
import json
import logging
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import killed_conversion
import pytest
import tensorflow as tf
import tqdm

from biobert_tf.common.comma_lists import FileGlobs
from biobert_tf.common.errors import InputError
from biobert_tf.common.settings import TextConfig
from biobert_tf.corpora.settings import CorpusConfig
from biobert_tf.pretraining.data import (
    exact,
    inspection,
    manifest,
    outputs,
    shards,
    spool,
    units,
    workers,
)
from biobert_tf.pretraining.data.documents import tokenize
from biobert_tf.pretraining.data.manifest import Manifest
from biobert_tf.pretraining.data.settings import ConversionConfig, PairConfig

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
NUM_DOCUMENTS = 48
NUM_FILES = 4
NUM_SHARDS = 3
# Every sentence names its document, so a record shows where its parts come from.
NAMES = [f"D{i}" for i in range(NUM_DOCUMENTS)]
VOCAB = [*SPECIAL, *NAMES, *"abcdefgh"]


def texts():
    """Four files of twelve documents of one to nine sentences."""
    rng = random.Random(5)
    documents = [
        "".join(
            f"{name} {' '.join(rng.choices('abcdefgh', k=rng.randint(1, 9)))}\n"
            for _ in range(rng.randint(1, 9))
        )
        for name in NAMES
    ]
    per_file = NUM_DOCUMENTS // NUM_FILES
    return [
        "\n".join(documents[i : i + per_file])
        for i in range(0, NUM_DOCUMENTS, per_file)
    ]


@pytest.fixture(scope="module")
def vocab_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("vocab") / "vocab.txt"
    path.write_text("\n".join(VOCAB) + "\n")
    return path


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    folder = tmp_path_factory.mktemp("corpus")
    for number, text in enumerate(texts()):
        (folder / f"{number}.txt").write_text(text)
    return folder


class InProcess:
    """Stands for the processes where a test is not about them: they start slowly."""

    map = staticmethod(map)

    def submit(self, function, task):
        future = concurrent.futures.Future()
        future.set_result(function(task))
        return future


REAL_POOL = workers.pool


@pytest.fixture(autouse=True, scope="module")
def in_process():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(workers, "pool", lambda _: contextlib.nullcontext(InProcess()))
        yield


@pytest.fixture
def processes(monkeypatch):
    monkeypatch.setattr(workers, "pool", REAL_POOL)


@pytest.fixture
def convert(corpus, vocab_file, tmp_path):
    """The conversion of the kill tests, with another number of workers or flag."""

    def run(name="x.tfrecord", num_shards=NUM_SHARDS, num_workers=1, **pairs):
        return killed_conversion.convert(
            f"{corpus}/*.txt",
            tmp_path / name,
            vocab_file,
            num_shards,
            num_workers,
            **pairs,
        )

    return run


@pytest.fixture(scope="module")
def expected(corpus, vocab_file, tmp_path_factory):
    """Bytes of each file, and the manifest, of a conversion that nobody disturbs."""
    folder = tmp_path_factory.mktemp("expected")
    found = killed_conversion.convert(
        f"{corpus}/*.txt", folder / "x.tfrecord", vocab_file, NUM_SHARDS
    )
    return contents(folder), found


def contents(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*.tfrecord"))}


def everything(folder):
    return {path.name for path in folder.iterdir()}


FINISHED = {
    *(f"x-{i:05d}-of-{NUM_SHARDS:05d}.tfrecord" for i in range(NUM_SHARDS)),
    "x.tfrecord.manifest.json",
}


def parsed(path):
    """Each record as the documents its parts come from, and its label."""
    found = []
    for serialized in tf.data.TFRecordDataset(str(path)):
        features = tf.train.Example.FromString(serialized.numpy()).features.feature
        ids = list(features["input_ids"].int64_list.value)
        for position, label, weight in zip(
            features["masked_lm_positions"].int64_list.value,
            features["masked_lm_ids"].int64_list.value,
            features["masked_lm_weights"].float_list.value,
            strict=True,
        ):
            if weight:
                ids[position] = label
        segments = features["segment_ids"].int64_list.value
        parts = [
            {
                VOCAB[i]
                for i, segment in zip(ids, segments, strict=True)
                if segment == wanted and VOCAB[i] in NAMES
            }
            for wanted in (0, 1)
        ]
        found.append((*parts, features["next_sentence_labels"].int64_list.value[0]))
    return found


# What comes out.


def test_the_records_of_a_file_are_of_its_own_documents(expected, tmp_path):
    own_of_file, random_of_file = [], []
    for name, data in expected[0].items():
        (tmp_path / name).write_bytes(data)
        records = parsed(tmp_path / name)
        for a, b, label in records:
            # Truncation may cut the name off.
            assert len(a) <= 1 and len(b) <= 1
            if label and a and b:
                assert a != b
            if not label and a and b:
                assert a == b
        own_of_file.append(set().union(*(a for a, _, _ in records)))
        random_of_file.append(set().union(*(b for _, b, label in records if label)))
    assert set().union(*own_of_file) == set(NAMES)
    assert sum(map(len, own_of_file)) == len(NAMES)
    # A random next sentence may be of any document, not only of the file's own.
    for own, drawn in zip(own_of_file, random_of_file, strict=True):
        assert drawn - own


def test_documents_are_shuffled_over_files_and_in_them(expected, tmp_path):
    orders = []
    for name, data in expected[0].items():
        (tmp_path / name).write_bytes(data)
        order = [NAMES.index(*a) for a, _, _ in parsed(tmp_path / name) if a]
        assert order != sorted(order)
        # The records of a document do not follow each other.
        assert sum(a == b for a, b in itertools.pairwise(order)) < len(order) / 2
        orders.append(set(order))
    assert all(max(order) - min(order) > NUM_DOCUMENTS // 2 for order in orders)


@pytest.mark.parametrize("num_workers", [2, 3])
def test_the_number_of_workers_does_not_matter(
    processes, convert, expected, tmp_path, num_workers
):
    assert convert(num_workers=num_workers) == expected[1]
    assert contents(tmp_path) == expected[0]


def test_the_size_of_units_does_not_matter(corpus, vocab_file, tmp_path, monkeypatch):
    one_file = tmp_path / "corpus.txt"
    one_file.write_text("\n".join(texts()))
    sizes = {str(one_file): one_file.stat().st_size}
    monkeypatch.setattr(units, "_BLOCK_BYTES", 300)
    found = []
    for num_bytes in (1, 1000, 10**9):
        monkeypatch.setattr(units, "_MAX_UNIT_BYTES", num_bytes)
        monkeypatch.setattr(units, "_UNITS_PER_CORPUS", 1)
        folder = tmp_path / str(num_bytes)
        counts = killed_conversion.convert(
            str(one_file), folder / "x.tfrecord", vocab_file, NUM_SHARDS
        )
        found.append((len(units.find_units(sizes)), counts, contents(folder)))
    assert found[0][0] > found[1][0] > found[2][0] == 2
    assert found[0][1:] == found[1][1:] == found[2][1:]


def test_the_seed_matters(convert, expected, tmp_path):
    convert(random_seed=1)
    found = contents(tmp_path)
    assert found.keys() == expected[0].keys()
    assert not set(found.values()) & set(expected[0].values())


def test_the_draws_of_a_shard_depend_on_seed_and_shard(vocab_file):
    text = TextConfig(vocab_file=vocab_file, max_seq_length=32)
    documents = tokenize(
        [[f"{name} a b c d", f"{name} e f"] for name in NAMES],
        units.load_tokenizer(text),
    )

    def written(shard, seed):
        stream = io.BytesIO()
        pairs = PairConfig(random_seed=seed, max_predictions_per_seq=5)
        table = outputs.load_pieces(text)
        shards.build_shard(documents, 9, shard, text, pairs, table, stream)
        return stream.getvalue()

    assert written(1, 2) == written(1, 2)
    assert len({written(1, 2), written(1, 3), written(2, 2), written(2, 1)}) == 4


def test_manifest_tells_what_is_in_the_files(convert, tmp_path):
    found = convert()
    assert everything(tmp_path) == FINISHED
    assert Manifest.load(tmp_path / "x.tfrecord.manifest.json") == found
    assert found.corpus.num_documents == NUM_DOCUMENTS
    lines = [line for text in texts() for line in text.splitlines() if line]
    assert found.corpus.num_sentences == len(lines)
    assert found.corpus.num_tokens == sum(len(line.split()) for line in lines)
    for entry in found.files:
        data = (tmp_path / entry.file).read_bytes()
        assert (entry.num_bytes, entry.sha256) == (
            len(data),
            hashlib.sha256(data).hexdigest(),
        )
        seen = inspection.inspect([tmp_path / entry.file])
        assert entry.num_records == seen.num_records
        assert entry.num_tokens == seen.num_tokens
        assert entry.num_random_next == round(seen.random_next_share * seen.num_records)
        assert entry.num_masked == round(seen.mask_rate * seen.num_tokens)
    totals = json.loads((tmp_path / "x.tfrecord.manifest.json").read_text())["totals"]
    assert totals["num_records"] == sum(entry.num_records for entry in found.files)


def test_manifest_is_found_for_a_training(convert, tmp_path):
    found = convert()
    (tmp_path / "a.manifest.json").write_text("{}")  # of some other program
    for name in FINISHED - {"x.tfrecord.manifest.json"}:
        assert manifest.find_manifest([tmp_path / name]) == found
    assert manifest.find_manifest([tmp_path / "other.tfrecord"]) is None


def test_dynamic_masking_stores_each_pair_once_and_unmasked(convert, tmp_path):
    found = convert(masking="dynamic", dupe_factor=9)
    paths = sorted(tmp_path.glob("*.tfrecord"))
    seen = inspection.inspect(paths)
    assert seen.masking == "dynamic"
    once = convert("once.tfrecord", dupe_factor=1)
    assert [e.num_records for e in found.files] == [e.num_records for e in once.files]
    assert [e.num_tokens for e in found.files] == [e.num_tokens for e in once.files]
    assert sum(entry.num_masked for entry in found.files) == 0


# How much goes where.


def test_small_corpora_make_one_file_of_the_name_given(convert, tmp_path):
    convert(num_shards=0)
    assert everything(tmp_path) == {"x.tfrecord", "x.tfrecord.manifest.json"}


OUTPUT = Path("runs/x.tfrecord")


@pytest.mark.parametrize(
    ("num_tokens", "num_files"),
    [(1, 1), (2**17, 1), (2**17 + 1, 2), (2**21, 16), (2**26, 16), (2**30, 256)],
)
def test_number_of_files_by_the_size_of_the_corpus(num_tokens, num_files):
    plan = outputs.Plan.of([OUTPUT], 0, num_tokens)
    assert len(plan.paths) == num_files


def test_names_of_files():
    assert outputs.numbered(OUTPUT, 1) == (OUTPUT,)
    assert outputs.numbered(OUTPUT, 2) == (
        Path("runs/x-00000-of-00002.tfrecord"),
        Path("runs/x-00001-of-00002.tfrecord"),
    )
    assert outputs.numbered(Path("x"), 2)[1] == Path("x-00001-of-00002")


def test_a_large_corpus_is_written_in_portions_with_a_bank():
    million = 2**20
    plan = outputs.Plan.of([OUTPUT], 2, 40 * million)
    # Twenty million tokens a file, two a portion, eight in the bank.
    assert (plan.portions_per_file, plan.num_bank_portions) == (10, 4)
    small = outputs.Plan.of([OUTPUT], 4, million)
    assert (small.portions_per_file, small.num_bank_portions) == (1, 3)
    named = outputs.Plan.of([Path("a"), Path("b")], 0, million)
    assert named.paths == (Path("a"), Path("b"))


def test_portions_cover_the_corpus_once_and_banks_follow(
    convert, tmp_path, monkeypatch
):
    num_tokens = convert("first.tfrecord", 1).corpus.num_tokens
    monkeypatch.setattr(outputs, "_MAX_TOKENS_PER_PORTION", -(-num_tokens // 8))
    monkeypatch.setattr(outputs, "_MAX_BANK_TOKENS", -(-num_tokens // 4))
    plan = outputs.Plan.of([OUTPUT], 2, num_tokens)
    assert (plan.portions_per_file, plan.num_bank_portions) == (4, 2)
    assert convert(num_shards=2).corpus.num_tokens == num_tokens
    owners, drawn = {}, []
    for number, path in enumerate(sorted(tmp_path.glob("x-*.tfrecord"))):
        for a, b, label in parsed(path):
            if a:
                owners.setdefault(*a, set()).add(number)
            if a and b and label:
                drawn.append((*a, *b))
    assert owners.keys() == set(NAMES)
    assert all(len(files) == 1 for files in owners.values())
    keys = document_keys()
    portion = {name: key * 8 // spool.NUM_KEYS for name, key in keys.items()}
    assert drawn
    for a, b in drawn:
        assert (portion[b] - portion[a]) % 8 in (0, 1, 2)
    assert {(portion[b] - portion[a]) % 8 for a, b in drawn} == {0, 1, 2}


def document_keys():
    keys = {}
    for number, text in enumerate(texts()):
        is_first = True
        for line, sentence in enumerate(text.splitlines(), 1):
            if sentence and is_first:
                keys[sentence.split()[0]] = spool.key_of(12345, number, str(line))
            is_first = not sentence
    return keys


def test_named_files_are_the_shards(corpus, vocab_file, tmp_path, expected):
    # The folder of the second is not there yet.
    paths = [tmp_path / "a" / "1.tfrecord", tmp_path / "b" / "2", tmp_path / "c"]
    found = killed_conversion.convert_with(
        FileGlobs.parse(f"{corpus}/*.txt"),
        paths,
        TextConfig(vocab_file=vocab_file, max_seq_length=32),
        PairConfig(dupe_factor=2, max_predictions_per_seq=5),
        CorpusConfig(),
        ConversionConfig(num_workers=1),
    )
    assert [entry.file for entry in found.files] == ["1.tfrecord", "2", "c"]
    assert [path.read_bytes() for path in paths] == [*expected[0].values()]
    assert (tmp_path / "a" / "1.tfrecord.manifest.json").is_file()


# One large file.


@pytest.fixture
def many_parts(monkeypatch):
    monkeypatch.setattr(outputs, "_MIN_TOKENS_PER_FILE", 100)


def test_all_processes_write_a_single_file(processes, many_parts, convert, tmp_path):
    several = convert("s.tfrecord", 0, num_workers=2)
    one = convert("x.tfrecord", 1, num_workers=2)
    assert everything(tmp_path) > {"x.tfrecord", "x.tfrecord.manifest.json"}
    parts = [(tmp_path / entry.file).read_bytes() for entry in several.files]
    assert len(parts) > 3
    # In order, and not only the same records.
    assert (tmp_path / "x.tfrecord").read_bytes() == b"".join(parts)
    seen = inspection.inspect([tmp_path / "x.tfrecord"])
    [entry] = one.files
    assert entry.is_intact(tmp_path / "x.tfrecord")
    assert entry.num_records == seen.num_records
    for name in ("num_records", "num_random_next", "num_masked", "num_tokens"):
        assert getattr(entry, name) == sum(getattr(e, name) for e in several.files)
    assert not (tmp_path / "x.tfrecord.work").exists()
    assert convert("x.tfrecord", 1) == one


@pytest.mark.parametrize("moment", ["write", "join"])
def test_a_single_file_keeps_its_parts_after_an_interruption(
    moment, many_parts, convert, tmp_path, monkeypatch
):
    expected = convert("e.tfrecord", 1)
    copy, write, made = shutil.copyfileobj, outputs.FileWriter.write, []

    def stop(done):
        if moment == done and len(made) == 2:
            raise KeyboardInterrupt

    def copying(source, target, size):
        copy(source, target, size)
        made.append(0) if moment == "join" else None
        stop("join")

    def writing(writer, number):
        stop("write")
        made.append(number) if moment == "write" else None
        return write(writer, number)

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "copyfileobj", copying)
        patch.setattr(outputs.FileWriter, "write", writing)
        with pytest.raises(KeyboardInterrupt):
            convert("x.tfrecord", 1)
    work = tmp_path / "x.tfrecord.work"
    parts = mtimes(work.glob("files/part-*"))
    num_parts = len(list((tmp_path / "x.tfrecord.work/files").glob("*.json")))
    assert len(parts) == num_parts and num_parts >= 2
    # Neither the file nor a piece of it is beside the others.
    names = {"e.tfrecord", "e.tfrecord.manifest.json", "x.tfrecord.work"}
    assert everything(tmp_path) == names
    written = []
    again = outputs.FileWriter.write
    monkeypatch.setattr(
        outputs.FileWriter,
        "write",
        lambda writer, number: written.append(number) or again(writer, number),
    )
    found = convert("x.tfrecord", 1)
    assert not {int(path.name[5:10]) for path in parts} & set(written)
    assert bool(written) == (moment == "write")
    assert found.files[0].sha256 == expected.files[0].sha256
    assert everything(tmp_path) == names - {"x.tfrecord.work"} | {
        "x.tfrecord",
        "x.tfrecord.manifest.json",
    }


def test_an_interrupted_conversion_takes_another_number_of_files(
    many_parts, convert, tmp_path, monkeypatch
):
    """The corpus is not read again; what else differs is still refused."""
    expected = convert("e.tfrecord", 0)
    with monkeypatch.context() as patch:
        patch.setattr(outputs.FileWriter, "join", lambda *_: convert(None))
        with pytest.raises(TypeError):
            convert("x.tfrecord", 1)
    assert list(tmp_path.glob("x.tfrecord.work/files/part-*"))
    with pytest.raises(InputError, match="num_shards was 1, is 0; random_seed was"):
        convert("x.tfrecord", 0, random_seed=1)
    monkeypatch.setattr(units.UnitReader, "read", None)
    found = convert("x.tfrecord", 0)
    assert [e.sha256 for e in found.files] == [e.sha256 for e in expected.files]


# Kills.


def run_killed(moment, corpus, vocab_file, folder, **kwargs):
    return subprocess.Popen(
        [
            sys.executable,
            killed_conversion.__file__,
            moment,
            f"{corpus}/*.txt",
            str(folder / "x.tfrecord"),
            str(vocab_file),
            str(NUM_SHARDS),
        ],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        stderr=subprocess.PIPE,
        text=True,
        **kwargs,
    )


# What is done when the kill comes: units of the corpus, and TFRecord files.
DONE = {
    "in_unit": (1, 0),
    "between_passes": (NUM_FILES, 0),
    "in_file": (NUM_FILES, 1),
    "before_note": (NUM_FILES, 2),
    "before_manifest": (NUM_FILES, NUM_SHARDS),
    "after_manifest": (NUM_FILES, NUM_SHARDS),
    "worker_in_unit": (1, 0),
    "worker_in_file": (NUM_FILES, 1),
}


@pytest.mark.parametrize("moment", killed_conversion.MOMENTS)
def test_a_killed_conversion_resumes(
    moment, corpus, vocab_file, tmp_path, convert, expected, monkeypatch
):
    process = run_killed(moment, corpus, vocab_file, tmp_path)
    # The pipe ends when the workers have ended too.
    _, errors = process.communicate(timeout=60)
    if moment.startswith("worker"):
        assert process.returncode == 2
        assert errors.splitlines()[-1].startswith("error: a worker process was killed")
        assert "Traceback" not in errors
    else:
        assert process.returncode == -signal.SIGKILL
    work = tmp_path / "x.tfrecord.work"
    unit_times = mtimes(work.glob("units/[0-9]*/*"))
    assert len({path.parent for path in unit_times}) == DONE[moment][0]
    file_times = mtimes(tmp_path.glob("*.tfrecord"))
    assert len(file_times) == DONE[moment][1]
    for path in file_times:  # Nothing is under a final name before it is whole.
        assert path.read_bytes() == expected[0][path.name]

    unit_times_after = {}
    remove = shutil.rmtree

    def look_and_remove(path, **kwargs):
        if path == work:
            unit_times_after.update(mtimes(work.glob("units/[0-9]*/*")))
        remove(path, **kwargs)

    monkeypatch.setattr(shutil, "rmtree", look_and_remove)
    assert convert() == expected[1]
    assert contents(tmp_path) == expected[0]
    assert everything(tmp_path) == FINISHED
    # What was done and known to be done was not done again.
    assert unit_times.items() <= unit_times_after.items()
    after = mtimes(file_times)
    num_kept = sum(after[path] == file_times[path] for path in file_times)
    assert num_kept == len(file_times) - (moment == "before_note")


def mtimes(paths):
    return {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in paths}


def test_a_kill_from_outside(corpus, vocab_file, tmp_path, convert, expected):
    process = run_killed("never", corpus, vocab_file, tmp_path)
    while not list(tmp_path.glob("*.work/units/[0-9]*")) and process.poll() is None:
        time.sleep(0.001)
    process.kill()
    process.communicate(timeout=60)
    assert convert() == expected[1]
    assert contents(tmp_path) == expected[0]
    assert everything(tmp_path) == FINISHED


@pytest.mark.parametrize(
    ("moment", "reached", "number", "status"),
    [
        ("stop_in_unit", "*.work/units/.*/*/part-*/*", signal.SIGTERM, 143),
        ("stop_in_file", ".x-*", signal.SIGINT, 130),
    ],
)
def test_signals_end_it_cleanly(
    moment, reached, number, status, corpus, vocab_file, tmp_path
):
    process = run_killed(moment, corpus, vocab_file, tmp_path, start_new_session=True)
    while process.poll() is None and not (
        len(list(tmp_path.glob("*.work/units/[0-9]*"))) == DONE_BEFORE[moment]
        and list(tmp_path.glob(reached))
    ):
        time.sleep(0.001)
    # As a terminal does, to all processes of the group.
    os.killpg(process.pid, number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == status
    assert "Traceback" not in errors
    work = tmp_path / "x.tfrecord.work"
    assert {work.name} <= everything(tmp_path) <= FINISHED | {work.name}
    assert not list(work.glob("units/.*"))
    kept = len(list(work.glob("*/[0-9]*")))
    assert kept >= DONE_BEFORE[moment]
    number_of = "1 part is" if kept == 1 else f"{kept} parts are"
    assert errors.splitlines()[-1] == (
        f"interrupted: {number_of} finished and kept in {work}; the same command does "
        "the others"
    )


@pytest.mark.parametrize(
    ("number", "kept"),
    [
        (0, "nothing is finished; the same command starts over"),
        (1, "1 part is finished and kept in {}; the same command does "),
    ],
)
def test_what_an_interruption_leaves(number, kept, convert, tmp_path, monkeypatch):
    read = units.UnitReader.read
    done = []

    def reading(reader, unit):
        if len(done) == number:
            raise KeyboardInterrupt
        done.append(unit)
        return read(reader, unit)

    monkeypatch.setattr(units.UnitReader, "read", reading)
    with pytest.raises(KeyboardInterrupt) as caught:
        convert()
    assert str(caught.value).startswith(kept.format(tmp_path / "x.tfrecord.work"))


# Units that are finished where a signal is waited for.
DONE_BEFORE = {"stop_in_unit": 1, "stop_in_file": NUM_FILES}


# Started again.


def test_a_finished_conversion_is_left_alone(convert, tmp_path, monkeypatch, caplog):
    found = convert()
    before = mtimes(tmp_path.iterdir())
    monkeypatch.setattr(workers, "pool", None)
    caplog.set_level(logging.INFO)
    assert convert() == found
    assert "is converted already" in caplog.text
    assert mtimes(tmp_path.iterdir()) == before


@pytest.mark.parametrize("damage", ["deleted", "damaged", "truncated"])
def test_a_file_that_is_not_as_it_was_is_made_again(
    convert, expected, tmp_path, damage
):
    convert()
    path = sorted(tmp_path.glob("*.tfrecord"))[1]
    before = mtimes(p for p in tmp_path.glob("*.tfrecord") if p != path)
    data = bytearray(path.read_bytes())
    if damage == "deleted":
        path.unlink()
    elif damage == "damaged":
        data[len(data) // 2] ^= 1
        path.write_bytes(data)
    else:
        path.write_bytes(data[:-1])
    assert convert() == expected[1]
    assert contents(tmp_path) == expected[0]
    assert mtimes(before) == before
    assert everything(tmp_path) == FINISHED


def refusal(function, *args, **kwargs):
    with pytest.raises(InputError) as error:
        function(*args, **kwargs)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_other_settings_are_refused_by_name(convert, tmp_path):
    convert()
    message = refusal(convert, masked_lm_prob=0.2, random_seed=1)
    assert message.startswith(f"{tmp_path}/x.tfrecord.manifest.json: ")
    assert "masked_lm_prob was 0.15, is 0.2; random_seed was 12345, is 1" in message
    assert "delete it and its files or choose another --output_file" in message
    assert "num_shards was 3, is 1" in refusal(convert, num_shards=1)


def test_other_settings_are_refused_while_unfinished(
    corpus, vocab_file, tmp_path, convert
):
    run_killed("between_passes", corpus, vocab_file, tmp_path).communicate(timeout=60)
    message = refusal(convert, short_seq_prob=0.5)
    assert "short_seq_prob was 0.1, is 0.5" in message
    assert f"delete {tmp_path}/x.tfrecord.work or" in message


def test_other_inputs_are_refused_by_name(corpus, vocab_file, tmp_path):
    folder = tmp_path / "corpus"
    folder.mkdir()
    for path in sorted(corpus.iterdir())[:3]:
        (folder / path.name).write_bytes(path.read_bytes())
    arguments = f"{folder}/*.txt", tmp_path / "x", vocab_file, 1
    killed_conversion.convert(*arguments)
    (folder / "3.txt").write_text("a\n\nb\n")
    assert "input files differ, with 3.txt;" in refusal(
        killed_conversion.convert, *arguments
    )
    (folder / "3.txt").unlink()
    (folder / "1.txt").write_text("a\n\nb\n")
    assert "changed since: 1.txt;" in refusal(killed_conversion.convert, *arguments)
    (folder / "1.txt").unlink()
    assert "input files differ, without 1.txt;" in refusal(
        killed_conversion.convert, *arguments
    )


def test_another_vocabulary_is_refused(convert, corpus, tmp_path, vocab_file):
    convert()
    other = tmp_path / "vocab.txt"
    other.write_text(vocab_file.read_text() + "z\n")
    message = refusal(
        killed_conversion.convert,
        f"{corpus}/*.txt",
        tmp_path / "x.tfrecord",
        other,
        NUM_SHARDS,
    )
    assert "the vocabulary has other contents" in message


def test_failing_at_once_leaves_nothing_in_the_way(corpus, vocab_file, tmp_path):
    source = tmp_path / "x.txt"
    source.write_text("one\ntwo\n")
    arguments = str(source), tmp_path / "x", vocab_file, 1
    assert "no blank line" in refusal(killed_conversion.convert, *arguments)
    source.write_text("a b\n\nc d e\n")
    assert killed_conversion.convert(*arguments).corpus.num_documents == 2


def test_files_of_an_earlier_conversion_are_refused(convert, tmp_path):
    stale = tmp_path / "x-00007-of-00008.tfrecord"
    stale.touch()
    assert refusal(convert) == f"{stale}: belongs to an earlier conversion; delete it"
    stale.unlink()
    convert()
    assert everything(tmp_path) == FINISHED


def test_two_conversions_to_one_place_are_refused(convert, tmp_path):
    work = tmp_path / "x.tfrecord.work"
    work.mkdir()
    with (work / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert "in use by another conversion" in refusal(convert)
    convert()


def test_a_conversion_that_finished_no_work_leaves_nothing(vocab_file, tmp_path):
    source = tmp_path / "broken.xml"
    source.write_text("<PubmedArticleSet><PubmedArticle><PMID>x")
    assert "broken.xml" in refusal(convert_one, source, vocab_file, strict=True)
    assert everything(tmp_path) == {"broken.xml"}


# Wrong input.


@pytest.mark.parametrize("text", ["", "\n\n", " \n\t\n \n"])
def test_an_empty_corpus(vocab_file, tmp_path, text):
    source = tmp_path / "empty.txt"
    source.write_text(text)
    message = refusal(
        killed_conversion.convert, str(source), tmp_path / "x", vocab_file, 1
    )
    assert message.startswith(f"{source}: no document with text")
    assert everything(tmp_path) == {"empty.txt"}


def citation(pmid, version, text):
    return (
        f'<PubmedArticle><MedlineCitation><PMID Version="{version}">{pmid}</PMID>'
        f"<Article><ArticleTitle>{text}</ArticleTitle></Article></MedlineCitation>"
        "</PubmedArticle>"
    )


# Each holds one document: by a blank line at the end, as one record, after versions.
ONE_DOCUMENT = {
    "one.txt": "D1 a\nD1 b\n\n",
    "one.xml": f"<PubmedArticleSet>{citation(1, 1, 'D1 a. D1 b.')}</PubmedArticleSet>",
    "versions.xml": (
        f"<PubmedArticleSet>{citation(1, 1, 'D1 a.')}{citation(1, 2, 'D1 b.')}"
        f"{citation(2, 1, 'D2 c.')}<DeleteCitation><PMID>2</PMID></DeleteCitation>"
        "</PubmedArticleSet>"
    ),
}


def convert_one(source, vocab_file, *, exact=False, **corpus):
    """The manifest of a conversion to `x` beside its input."""
    return killed_conversion.convert_with(
        FileGlobs.parse(str(source)),
        [source.parent / "x"],
        TextConfig(vocab_file=vocab_file, max_seq_length=32),
        PairConfig(dupe_factor=2, max_predictions_per_seq=5),
        CorpusConfig(**corpus),
        ConversionConfig(exact=exact),
    )


@pytest.mark.parametrize("name", ONE_DOCUMENT)
def test_a_corpus_of_one_document(vocab_file, tmp_path, caplog, name):
    """Its random next sentences would be its own: refused, unless that is wanted."""
    source = tmp_path / name
    source.write_text(ONE_DOCUMENT[name])
    problem = (
        f"{source}: only one document, so random next sentences are of the same "
        "document: give more documents"
    )
    if name == "one.txt":
        problem += ", or put a blank line between documents"
    message = refusal(convert_one, source, vocab_file)
    assert message == f"{problem}; --allow_single_document accepts that"
    assert everything(tmp_path) == {name}
    assert not caplog.messages
    found = convert_one(source, vocab_file, allow_single_document=True)
    assert found.corpus.num_documents == 1
    assert caplog.messages == [problem]


def test_documents_that_fill_the_memory(vocab_file, tmp_path, caplog, monkeypatch):
    """Two documents, but each is alone where its next sentences are drawn."""
    source = tmp_path / "two.txt"
    source.write_text("D1 a b c d\n\nD2 a b c d\n")
    monkeypatch.setattr(outputs, "_MAX_BANK_TOKENS", 8)
    problem = (
        f"{source}: documents of 5 WordPieces on average, so random next sentences"
    )
    assert refusal(convert_one, source, vocab_file).startswith(problem)
    convert_one(source, vocab_file, allow_single_document=True)
    assert [message[: len(problem)] for message in caplog.messages] == [problem]
    monkeypatch.setattr(outputs, "_MAX_BANK_TOKENS", 10)  # all of it is in memory
    (tmp_path / "x.manifest.json").unlink()
    convert_one(source, vocab_file)


@pytest.mark.parametrize("text", ["D1 a\nD1 b\n\n", "D1 a\nD1 b\n"])
def test_exact_only_warns_of_one_document(vocab_file, tmp_path, caplog, text):
    source = tmp_path / "one.txt"
    source.write_text(text)
    assert convert_one(source, vocab_file, exact=True).corpus.num_documents == 1
    assert [message.partition(",")[0] for message in caplog.messages] == [
        f"{source}: only one document"
    ]
    caplog.clear()
    (tmp_path / "two.txt").write_text(f"{text}\n{text}")
    (tmp_path / "x.manifest.json").unlink()
    found = convert_one(tmp_path / "two.txt", vocab_file, exact=True)
    assert found.corpus.num_documents == 2
    assert not caplog.messages


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("pre/one.txt", "one.txt: only one document"),
        ("pre/one_noblank.txt", "one_noblank.txt: 2 lines and no blank line"),
        ("xml/one.xml", "one.xml: only one document"),
    ],
)
def test_the_cases_of_one_document(cases, vocab_file, tmp_path, caplog, name, problem):
    source = tmp_path / Path(name).name
    shutil.copyfile(cases / name, source)
    assert problem in refusal(convert_one, source, vocab_file)
    assert not (tmp_path / "x").exists()
    if source.suffix == ".txt":
        convert_one(source, vocab_file, exact=True)
        assert "only one document" in caplog.text


def test_no_such_input(vocab_file, tmp_path):
    message = refusal(
        killed_conversion.convert, f"{tmp_path}/*.xml", tmp_path / "x", vocab_file, 1
    )
    assert "no file matches" in message


def test_a_vocabulary_without_mask(corpus, tmp_path):
    vocab_file = tmp_path / "vocab.txt"
    vocab_file.write_text("\n".join(token for token in VOCAB if token != "[MASK]"))
    message = refusal(
        killed_conversion.convert, f"{corpus}/*", tmp_path / "x", vocab_file, 1
    )
    assert message.startswith(f"{vocab_file}: ")
    assert "[MASK]" in message


def test_a_vocabulary_of_the_wrong_case(corpus, tmp_path, vocab_file):
    message = refusal(
        killed_conversion.convert_with,
        FileGlobs.parse(f"{corpus}/*"),
        [tmp_path / "x"],
        TextConfig(vocab_file=vocab_file, do_lower_case=True),
        PairConfig(),
        CorpusConfig(),
        ConversionConfig(),
    )
    assert "the vocabulary is cased" in message


def test_an_output_that_cannot_be_written(convert, tmp_path):
    (tmp_path / "file").touch()
    message = refusal(convert, "file/x.tfrecord")
    assert "cannot be written" in message
    (tmp_path / "folder").mkdir()
    assert "is a directory" in refusal(convert, "folder")


@pytest.mark.parametrize(
    ("lengths", "problem"),
    [
        ({"max_seq_length": 4}, "--max_seq_length=4: must be at least 5"),
        (
            {"max_seq_length": 8, "max_predictions_per_seq": 9},
            "--max_predictions_per_seq=9: a sequence has only --max_seq_length=8",
        ),
    ],
)
def test_lengths_that_no_record_can_have(lengths, problem):
    text = TextConfig(max_seq_length=lengths["max_seq_length"])
    most = lengths.get("max_predictions_per_seq", 2)
    message = refusal(shards.check, text, PairConfig(max_predictions_per_seq=most))
    assert problem in message


@pytest.mark.parametrize(
    ("output_files", "num_shards", "problem"),
    [
        ("a a", 0, "names a file twice"),
        ("a b", 3, "--num_shards=3 contradicts --output_file, which names 2 files"),
    ],
)
def test_outputs_that_contradict(
    corpus, vocab_file, tmp_path, output_files, num_shards, problem
):
    assert problem in refusal(
        killed_conversion.convert_with,
        FileGlobs.parse(f"{corpus}/*"),
        [tmp_path / name for name in output_files.split()],
        TextConfig(vocab_file=vocab_file),
        PairConfig(),
        CorpusConfig(),
        ConversionConfig(num_shards=num_shards),
    )


# Corpora that are not text.


def test_later_versions_replace_earlier_ones_over_files(
    processes, tmp_path, vocab_file
):
    (tmp_path / "1.xml").write_text(
        f"<PubmedArticleSet>{citation(1, 1, 'D1 a.')}{citation(2, 1, 'D2 b c.')}"
        f"{citation(3, 1, 'D3 a b c.')}</PubmedArticleSet>"
    )
    (tmp_path / "2.xml").write_text(
        f"<PubmedArticleSet>{citation(2, 2, 'D4 c d e f.')}<DeleteCitation>"
        '<PMID Version="1">3</PMID></DeleteCitation></PubmedArticleSet>'
    )
    found = killed_conversion.convert(
        f"{tmp_path}/*.xml", tmp_path / "x", vocab_file, 1, 2
    )
    assert found.corpus.num_documents == 2
    assert found.corpus.num_duplicates == 2
    # "D1 a ." and "D4 c d e f ."; the full stop is [UNK] to the toy vocabulary.
    assert found.corpus.num_tokens == 3 + 6
    named = set().union(*(a for a, _, _ in parsed(tmp_path / "x")))
    assert named == {"D1", "D4"}


def test_what_is_skipped_is_counted_and_told(tmp_path, vocab_file, caplog):
    source = tmp_path / "x.txt"
    source.write_bytes(b"a b\n\xff\n\nc d\n\ne f\n")
    found = killed_conversion.convert(str(source), tmp_path / "x", vocab_file, 1)
    assert sum(found.corpus.num_skipped.values()) == 1
    assert "not UTF-8" in next(iter(found.corpus.num_skipped))
    assert f"skipped: {source}: line 2: " in caplog.text


# Exact.


def test_exact_is_what_the_exact_module_writes(corpus, vocab_file, tmp_path):
    text = TextConfig(vocab_file=vocab_file, max_seq_length=32)
    pairs = PairConfig(dupe_factor=2, max_predictions_per_seq=5)
    how = ConversionConfig(exact=True, num_shards=2)
    found = killed_conversion.convert_with(
        FileGlobs.parse(f"{corpus}/*"),
        [tmp_path / "x"],
        text,
        pairs,
        CorpusConfig(),
        how,
    )
    tokenizer = units.load_tokenizer(text)
    inputs = FileGlobs.parse(f"{corpus}/*").files_as_found()
    paths = [tmp_path / "0", tmp_path / "1"]
    exact.convert(
        exact.read_documents(inputs, tokenizer), tokenizer.vocab, text, pairs, paths
    )
    for path, entry in zip(paths, found.files, strict=True):
        assert path.read_bytes() == (tmp_path / entry.file).read_bytes()
        assert entry.is_intact(path)
    # As in the original, the end of a file ends no document.
    assert found.corpus.num_documents == NUM_DOCUMENTS - (NUM_FILES - 1)
    assert Manifest.load(tmp_path / "x.manifest.json") == found
    message = refusal(
        killed_conversion.convert_with,
        FileGlobs.parse(f"{corpus}/*"),
        [tmp_path / "x"],
        text,
        pairs,
        CorpusConfig(),
        dataclasses.replace(how, exact=False),
    )
    assert "exact was True, is False" in message


def test_exact_reads_a_file_as_often_as_it_is_named(corpus, vocab_file, tmp_path):
    inputs = f"{corpus}/3.txt,{corpus}/0.txt,{corpus}/3.txt"
    found = killed_conversion.convert_with(
        FileGlobs.parse(inputs),
        [tmp_path / "x"],
        TextConfig(vocab_file=vocab_file, max_seq_length=32),
        PairConfig(),
        CorpusConfig(),
        ConversionConfig(exact=True),
    )
    assert [name for name, *_ in found.settings["inputs"]] == [
        "3.txt",
        "0.txt",
        "3.txt",
    ]
    # The end of a file ends no document.
    assert found.corpus.num_documents == 3 * NUM_DOCUMENTS // NUM_FILES - 2


@pytest.mark.parametrize(
    ("name", "pairs", "problem"),
    [
        ("x.xml", {}, "--exact reads plain text"),
        ("x.txt.gz", {}, "--exact reads plain text"),
        ("x.txt", {"masking": "dynamic"}, "--exact contradicts --masking=dynamic"),
    ],
)
def test_what_exact_cannot_do(tmp_path, vocab_file, name, pairs, problem):
    (tmp_path / name).write_text("a\n\nb\n")
    assert problem in refusal(
        killed_conversion.convert_with,
        FileGlobs.parse(str(tmp_path / name)),
        [tmp_path / "x"],
        TextConfig(vocab_file=vocab_file),
        PairConfig(**pairs),
        CorpusConfig(),
        ConversionConfig(exact=True),
    )


# Workers.


def test_workers_do_without_tensorflow(processes):
    with workers.pool(1) as executor:
        modules = executor.submit(killed_conversion.loaded_modules, None).result()
        on_ctrl_c = executor.submit(signal.getsignal, signal.SIGINT).result()
    assert "biobert_tf.pretraining.data.conversion" in modules
    assert not modules & {"tensorflow", "tf_keras", "keras", "tensorflow_text"}
    # The parent ends them; a traceback of each worker would bury its message.
    assert on_ctrl_c == signal.SIG_IGN


def test_progress_tells_how_long_the_rest_takes(monkeypatch, caplog):
    now = [100.0]
    monkeypatch.setattr(tqdm.std, "time", lambda: now[0])
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(concurrent.futures, "as_completed", list)
    results = workers.run(InProcess(), str, [1, 2, 3], [10, 10, 20], "reading")
    # The first ends four seconds after the start: too early to say.
    for seconds, found in zip((104.0, 110.0, 119.0), results, strict=True):
        now[0] = seconds
        assert found[1] == str(found[0])
    assert caplog.messages == ["reading: 20.0/40.0B, 2.00B/s, 00:10 left"]


def test_an_error_in_a_worker_keeps_its_message(processes):
    with pytest.raises(InputError, match="lost"), workers.pool(1) as executor:
        list(workers.run(executor, killed_conversion.fail, ["lost"], [1], "x"))
