# SPDX-License-Identifier: Apache-2.0
"""Beam pipelines: the records of the local conversion, whoever the runner is."""

import gzip
import itertools
import logging
import os
import random
import re
import shlex
import shutil
import sys
from pathlib import Path

import killed_conversion
import pytest

from biobert_tf.common import beam_runner, beam_storage, beam_work
from biobert_tf.common.beam_settings import ShellWords
from biobert_tf.common.comma_lists import FileGlobs
from biobert_tf.common.errors import InputError
from biobert_tf.common.settings import TextConfig
from biobert_tf.corpora.settings import CorpusConfig
from biobert_tf.pretraining.data import (
    beam_pipeline,
    beam_steps,
    outputs,
    spool,
    units,
)
from biobert_tf.pretraining.data.manifest import CorpusCounts
from biobert_tf.pretraining.data.settings import (
    ConversionConfig,
    PairConfig,
)

WORDS = "abcdefgh"
VOCAB = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS, ".", "A", "##a"]
# PMIDs 1 to 30, then an update that replaces 3 and 4, deletes 5, and adds 31, and 32
# without text. Record 8 is damaged: it costs one document.
NUM_CITATIONS = 30 + 1 - 1 - 1
NUM_TEXTS = 2400


def sentence(rng):
    return f"A {' '.join(rng.choices(WORDS, k=rng.randint(1, 20)))}."


def citation(rng, pmid, version=1):
    text = " ".join(sentence(rng) for _ in range(rng.randint(1, 9)))
    tag = "AbstractTxt" if pmid == 8 else "AbstractText"
    return (
        f'<PubmedArticle><MedlineCitation><PMID Version="{version}">{pmid}</PMID>'
        f"<Article><ArticleTitle>{sentence(rng)}</ArticleTitle><Abstract><{tag}>{text}"
        "</AbstractText></Abstract></Article></MedlineCitation></PubmedArticle>\n"
    )


def pubmed(*records):
    text = "\n".join(records)
    return f"<PubmedArticleSet>\n{text}\n</PubmedArticleSet>\n".encode()


def plain_text(rng, num_documents):
    return "\n".join(
        "".join(f"{sentence(rng)}\n" for _ in range(rng.randint(1, 9)))
        for _ in range(num_documents)
    )


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """Three files of XML, one compressed, and two of text, one of several blocks."""
    folder = tmp_path_factory.mktemp("corpus")
    rng = random.Random(7)
    for name, pmids in (("1.xml", range(1, 16)), ("2.xml.gz", range(16, 31))):
        data = pubmed(*(citation(rng, pmid) for pmid in pmids))
        (folder / name).write_bytes(
            gzip.compress(data) if name.endswith(".gz") else data
        )
    deletion = "<DeleteCitation><PMID Version='1'>5</PMID></DeleteCitation>"
    empty = "<MedlineCitation><PMID>32</PMID><Article/></MedlineCitation>"
    newer = (citation(rng, pmid, 2) for pmid in (3, 4, 31))
    update = pubmed(*newer, f"<PubmedArticle>{empty}</PubmedArticle>", deletion)
    (folder / "3.xml").write_bytes(update)
    (folder / "4.txt").write_text(plain_text(rng, NUM_TEXTS))
    (folder / "5.txt").write_text(plain_text(rng, 20))
    assert (folder / "4.txt").stat().st_size > units._BLOCK_BYTES
    return folder


@pytest.fixture(scope="module")
def vocab_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("vocab") / "vocab.txt"
    path.write_text("\n".join(VOCAB) + "\n")
    return path


@pytest.fixture
def convert(corpus, vocab_file, tmp_path):
    """A conversion of the corpus; `runner` is "local" or one of Beam's."""

    def run(
        runner,
        output_files=("x.tfrecord",),
        inputs=None,
        options="",
        num_shards=3,
        **flags,
    ):
        return converted(
            inputs or f"{corpus}/*.xml*,{corpus}/*.txt",
            [str(tmp_path / runner / name) for name in output_files],
            flags.pop("vocab_file", vocab_file),
            ConversionConfig(
                runner=runner,
                pipeline_options=ShellWords.parse(options),
                num_shards=num_shards,
                num_workers=1,
            ),
            CorpusConfig(**flags),
        )

    return run


def converted(inputs, output_files, vocab_file, how, corpus=None):
    return killed_conversion.convert_with(
        FileGlobs.parse(inputs),
        output_files,
        TextConfig(vocab_file=vocab_file, max_seq_length=32),
        PairConfig(dupe_factor=2, max_predictions_per_seq=5),
        corpus or CorpusConfig(),
        how,
    )


@pytest.fixture(scope="module")
def expected(corpus, vocab_file, tmp_path_factory):
    """The manifest and the files of the local conversion."""
    folder = tmp_path_factory.mktemp("expected")
    found = converted(
        f"{corpus}/*.xml*,{corpus}/*.txt",
        [folder / "x.tfrecord"],
        vocab_file,
        ConversionConfig(num_shards=3, num_workers=1),
    )
    return found, contents(folder)


def contents(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.fixture
def beam():
    return pytest.importorskip("apache_beam", reason="pip install '.[beam]'")


# Parts of the spool so small that some hold no document.
@pytest.fixture
def small_parts(monkeypatch):
    monkeypatch.setattr(beam_pipeline, "_FILE_BYTES_PER_PART", 2**13)


def test_direct_runner_writes_what_the_local_conversion_writes(
    beam, convert, expected, small_parts, tmp_path, caplog
):
    with caplog.at_level(logging.INFO, "biobert_tf"):
        manifest = convert("DirectRunner")
    assert manifest.corpus.num_documents == NUM_CITATIONS + NUM_TEXTS + 20
    assert manifest.corpus.num_duplicates == 3
    damage, nothing = manifest.corpus.num_skipped
    assert "AbstractTxt" in damage
    assert nothing == "no text"
    assert manifest == expected[0]
    # Nothing but the files and the manifest, the latter too byte for byte.
    assert contents(tmp_path / "DirectRunner") == expected[1]
    skips = [r.getMessage() for r in caplog.records if r.levelname == "WARNING"]
    # A citation without text is counted, but no damage to warn of.
    assert len(skips) == 1
    assert re.search(r"/1\.xml: record 8 \(PMID.8\), line 16: ", skips[0])


def test_files_of_portions_with_a_part_of_the_corpus_as_bank(
    beam, convert, small_parts, monkeypatch, tmp_path
):
    monkeypatch.setattr(outputs, "_MAX_TOKENS_PER_PORTION", 10_000)
    monkeypatch.setattr(outputs, "_MAX_BANK_TOKENS", 25_000)
    names = ["x.tfrecord", "y.tfrecord"]
    manifest = convert("DirectRunner", names, num_shards=0)
    plan = outputs.Plan.of([*map(Path, names)], 0, manifest.corpus.num_tokens)
    assert 1 < plan.num_bank_portions < plan.num_portions - plan.portions_per_file
    assert manifest == convert("local", names, num_shards=0)
    assert contents(tmp_path / "DirectRunner") == contents(tmp_path / "local")


def test_a_single_file(beam, convert, small_parts, monkeypatch, tmp_path, caplog):
    """It is that of the local conversion, but one worker writes it: a warning."""
    monkeypatch.setattr(outputs, "_MIN_TOKENS_PER_FILE", 5_000)
    manifest = convert("DirectRunner", num_shards=1)
    assert manifest == convert("local", num_shards=1)
    assert contents(tmp_path / "DirectRunner") == contents(tmp_path / "local")
    most = outputs.files_wanted(manifest.corpus.num_tokens)
    assert most > 1
    warning = f"one worker writes one file; --num_shards=0 makes {most}"
    assert caplog.messages.count(warning) == 1


def test_named_files_in_several_folders(beam, convert, corpus, tmp_path, monkeypatch):
    # More parts of the spool than documents.
    monkeypatch.setattr(beam_pipeline, "_FILE_BYTES_PER_PART", 2**7)
    names = ["a/x.tfrecord", "b/x.tfrecord"]
    inputs = f"{corpus}/5.txt"
    manifest = convert("DirectRunner", names, inputs, num_shards=2)
    (tmp_path / "local/b").mkdir(parents=True)
    assert manifest == convert("local", names, inputs, num_shards=2)
    found = contents(tmp_path / "DirectRunner")
    assert set(found) == {*names, "a/x.tfrecord.manifest.json"}
    assert found == contents(tmp_path / "local")


@pytest.fixture(scope="module")
def cluster():
    pytest.importorskip("apache_beam", reason="pip install '.[beam]'")
    distributed = pytest.importorskip("distributed", reason="pip install '.[beam]'")
    with distributed.LocalCluster(
        n_workers=2,
        threads_per_worker=1,
        processes=True,
        dashboard_address=None,
        silence_logs=logging.CRITICAL,
    ) as found:
        yield found


def test_two_processes_of_a_dask_cluster(
    cluster, convert, expected, small_parts, tmp_path
):
    def what_it_did():
        """Runs in a worker: its process, and what it has loaded for each pass."""
        from biobert_tf.pretraining.data import outputs, units

        loaded = [
            f.cache_info().misses for f in (units.load_tokenizer, outputs.load_pieces)
        ]
        return os.getpid(), loaded

    manifest = convert(
        "DaskRunner", options=f"--dask_client_address={cluster.scheduler_address}"
    )
    assert manifest == expected[0]
    assert contents(tmp_path / "DaskRunner") == expected[1]
    with cluster.get_client() as client:
        workers = dict(client.run(what_it_did).values())
    assert len(workers) == 2
    assert os.getpid() not in workers
    # Both have tokenized, and the files were written there.
    assert all(tokenizers for tokenizers, _ in workers.values())
    assert any(tables for _, tables in workers.values())


def test_an_error_in_a_dask_worker_is_one_line(
    cluster, vocab_file, tmp_path, monkeypatch
):
    (tmp_path / "one.txt").write_text("A a.\nA b.\n")
    # A path that is relative here means nothing in a worker.
    monkeypatch.chdir(tmp_path)
    options = f"--dask_client_address={cluster.scheduler_address}"
    how = ConversionConfig(
        runner="DaskRunner", pipeline_options=ShellWords.parse(options)
    )
    with pytest.raises(InputError) as info:
        converted("one.txt", ["DaskRunner/x.tfrecord"], vocab_file, how)
    assert re.fullmatch(f"{tmp_path}/one.txt: 2 lines and no blank .*", str(info.value))
    assert not contents(tmp_path / "DaskRunner")


def test_finished_conversion_is_not_done_again(beam, convert, corpus, tmp_path):
    inputs = f"{corpus}/5.txt"
    first = convert("DirectRunner", inputs=inputs)
    folder = tmp_path / "DirectRunner"
    before = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert convert("DirectRunner", inputs=inputs) == first
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == before
    # The local conversion takes it for its own as well.
    shutil.copytree(folder, tmp_path / "local", copy_function=shutil.copy2)
    assert convert("local", inputs=inputs) == first
    (folder / "x-00001-of-00003.tfrecord").write_bytes(b"")
    assert convert("DirectRunner", inputs=inputs) == first
    assert first.files[1].is_intact(folder / "x-00001-of-00003.tfrecord")


def test_files_of_another_conversion_are_left_alone(beam, convert, corpus, tmp_path):
    folder = tmp_path / "DirectRunner"
    convert("DirectRunner", inputs=f"{corpus}/5.txt")
    before = contents(folder)
    with pytest.raises(InputError, match="num_shards was 3, is 2; delete it") as info:
        convert("DirectRunner", inputs=f"{corpus}/5.txt", num_shards=2)
    assert str(info.value).startswith(f"{folder}/x.tfrecord.manifest.json: ")
    (folder / "x.tfrecord.manifest.json").unlink()
    with pytest.raises(InputError, match="to an earlier conversion"):
        convert("DirectRunner", inputs=f"{corpus}/5.txt", num_shards=2)
    del before["x.tfrecord.manifest.json"]
    assert contents(folder) == before


BAD_CORPORA = {
    "empty": ("\n\n", {}, "no document with text in 1 file"),
    "one document": ("A a.\nA b.\n", {}, "2 lines and no blank line"),
    "a blank line at its end": ("A a.\nA b.\n\n", {}, "bad.txt: only one document"),
    "damaged": ("A a.\n\n\xff\n", {"strict": True}, "line 3: byte 0xff is not UTF-8"),
}


@pytest.mark.parametrize("kind", BAD_CORPORA)
def test_a_corpus_that_cannot_be_used(beam, convert, tmp_path, kind):
    text, flags, problem = BAD_CORPORA[kind]
    path = tmp_path / "bad.txt"
    path.write_bytes(text.encode("latin-1"))
    messages = []
    for runner in ("DirectRunner", "local"):
        with pytest.raises(InputError, match=problem) as info:
            convert(runner, inputs=str(path), **flags)
        messages.append(str(info.value))
    assert messages[0] == messages[1]
    assert "\n" not in messages[0]
    assert not contents(tmp_path / "DirectRunner")


def test_a_damaged_xml_record_if_strict(beam, convert, corpus, tmp_path):
    with pytest.raises(InputError, match=r"1\.xml: record 8 \(PMID.8\), line 16"):
        convert("DirectRunner", strict=True)
    assert not contents(tmp_path / "DirectRunner")


def test_a_file_that_workers_do_not_have(beam, convert, corpus, tmp_path, monkeypatch):
    paths = [tmp_path / name for name in ("a.txt", "b.txt")]
    for path in paths:
        shutil.copy(corpus / "5.txt", path)
    find_units = units.find_units

    def losing(*args):
        found = find_units(*args)
        paths[1].unlink()
        return found

    monkeypatch.setattr(units, "find_units", losing)
    with pytest.raises(InputError) as info:
        convert("DirectRunner", inputs=f"{tmp_path}/*.txt")
    assert str(info.value) == f"{paths[1]}: no such file"
    assert not contents(tmp_path / "DirectRunner")


def test_nothing_is_done_once_the_input_is_known_to_be_wrong(tmp_path):
    def step(job, element):
        yield element
        raise InputError(f"{element} is wrong")

    job = beam_steps.Job(
        str(tmp_path / "work"), TextConfig(), PairConfig(), CorpusConfig(), 1
    )
    assert list(beam_work.guarded(job, step, "first")) == ["first"]
    assert list(beam_work.guarded(job, step, "second")) == []
    assert beam_storage.get_object(job.error_place) == "first is wrong"


def test_a_bug_keeps_its_traceback_and_leaves_nothing(
    beam, convert, corpus, tmp_path, monkeypatch
):
    def write(self, number):
        raise RuntimeError("a bug")

    monkeypatch.setattr(outputs.FileWriter, "write", write)
    with pytest.raises(RuntimeError, match="a bug"):
        convert("DirectRunner", inputs=f"{corpus}/5.txt")
    assert not contents(tmp_path / "DirectRunner")


@pytest.mark.parametrize(
    ("flags", "problem"),
    [
        ({"inputs": "/nowhere/*.xml"}, "/nowhere/*.xml: no file matches"),
        ({"inputs": "nothing://nowhere/*"}, "nothing://nowhere/*: "),
        ({"output_files": ("x", "x")}, "--output_file names a file twice"),
        (
            {"output_files": ("x", "y")},
            "--num_shards=3 contradicts --output_file, which names 2",
        ),
        (
            {"options": "--worker=3"},
            "--pipeline_options: Beam has no option --worker=3",
        ),
        ({"options": "stray"}, "--pipeline_options: Beam has no option stray"),
        (
            {"options": "--direct_num_workers=two"},
            "--pipeline_options: argument --direct_num_workers: invalid int value: ",
        ),
        ({"options": "'"}, '--pipeline_options="\'": no closing quotation'),
        (
            {
                "runner": "DaskRunner",
                "options": "--dask_client_address=127.0.0.1:1 "
                "--dask_connection_timeout=1",
            },
            "--runner=DaskRunner: Timed out trying to connect",
        ),
        (
            {"runner": "DataflowRunner", "options": "--project=some-project"},
            "--pipeline_options: Missing GCS path option: temp_location.",
        ),
    ],
)
def test_flags_that_cannot_be_used(beam, convert, tmp_path, flags, problem):
    runner = flags.get("runner", "DirectRunner")
    with pytest.raises(InputError) as info:
        convert(**{"runner": runner, **flags})
    assert str(info.value).startswith(problem)
    assert "\n" not in str(info.value)
    assert not contents(tmp_path)


def test_a_vocabulary_that_cannot_be_used(beam, convert, tmp_path):
    path = tmp_path / "vocab.txt"
    path.write_text("\n".join(piece for piece in VOCAB if piece != "[MASK]"))
    with pytest.raises(InputError) as info:
        convert("DirectRunner", vocab_file=path)
    assert str(info.value).startswith(f"{path}: the vocabulary lacks [MASK]")
    assert not contents(tmp_path / "DirectRunner")


def test_a_runner_that_cannot_be_started(beam, convert, corpus, tmp_path, monkeypatch):
    def run(pipeline):
        raise RuntimeError("no job server\nnor anything else")

    monkeypatch.setattr("apache_beam.Pipeline.run", run)
    problem = "^--runner=FlinkRunner cannot be started: no job server$"
    with pytest.raises(InputError, match=problem):
        convert("FlinkRunner", inputs=f"{corpus}/5.txt")
    assert not contents(tmp_path / "FlinkRunner")


def test_without_beam(convert, monkeypatch):
    monkeypatch.setitem(sys.modules, "apache_beam", None)
    with pytest.raises(
        InputError, match=r"^--runner=DirectRunner needs .*'\.\[beam\]'"
    ):
        convert("DirectRunner")


@pytest.mark.parametrize(
    ("arguments", "kept"),
    [
        ("", ["--dask_partition_size=1"]),
        ("--dask_npartitions=8", ["--dask_npartitions=8"]),
        ("--dask_partition_size 4", ["--dask_partition_size", "4"]),
    ],
)
def test_dask_gives_single_files_to_workers_unless_told_otherwise(
    beam, monkeypatch, arguments, kept
):
    runner = beam_runner.Runner.of("DaskRunner", shlex.split(arguments))
    assert runner.options._flags == kept


def test_parts_of_the_spool_that_a_file_needs():
    """Every key of a file's portions and banks is in one of its parts, no part idle."""
    for num_files, per_file, bank, num_parts in itertools.product(
        (1, 3, 7), (1, 2, 5), range(8), (1, 2, 9, 64)
    ):
        paths = tuple(Path(str(i)) for i in range(num_files))
        num_portions = num_files * per_file
        plan = outputs.Plan(paths, per_file, min(bank, num_portions - 1))
        for number in range(num_files):
            first = number * per_file
            wanted = {
                portion % num_portions
                for portion in range(first, first + per_file + plan.num_bank_portions)
            }
            needed = {
                part
                for part in range(num_parts)
                for portion in wanted
                if part * num_portions < (portion + 1) * num_parts
                and portion * num_parts < (part + 1) * num_portions
            }
            assert beam_steps.parts_needed(plan, number, num_parts) == sorted(needed)


@pytest.fixture
def bucket(beam, tmp_path, monkeypatch):
    """The folder behind the URLs `toy://...`."""
    from toy_bucket import ToyFileSystem

    root = tmp_path / "bucket"
    root.mkdir()
    monkeypatch.setattr(ToyFileSystem, "root", root)
    return root


def test_urls_of_a_store(
    convert, corpus, vocab_file, small_parts, bucket, tmp_path, caplog
):
    caplog.set_level(logging.INFO, "biobert_tf")
    names = ["1.xml", "2.xml.gz", "3.xml", "5.txt"]
    for name in names:
        shutil.copy2(corpus / name, bucket)

    def run(inputs, name="out/x.tfrecord"):
        return converted(
            inputs,
            [f"toy://{name}"],
            vocab_file,
            ConversionConfig(runner="DirectRunner", num_shards=3),
        )

    found = run("toy://*.xml*,toy://5.txt")
    same = convert("local", inputs=",".join(str(corpus / name) for name in names))
    assert found.files == same.files
    assert found.corpus == same.corpus
    made = contents(bucket)
    for name in names:
        del made[name]
    del made["out/x.tfrecord.manifest.json"]
    local = contents(tmp_path / "local")
    del local["x.tfrecord.manifest.json"]
    assert made == {f"out/{name}": data for name, data in local.items()}
    assert run("toy://*.xml*,toy://5.txt") == found
    assert "this corpus is converted already" in caplog.text

    (bucket / "one.txt").write_text("A a.\nA b.\n")
    with pytest.raises(InputError, match=r"^toy://one\.txt: 2 lines and no blank line"):
        run("toy://one.txt", "other/x.tfrecord")
    assert not contents(bucket / "other")


def test_documents_of_one_key_do_not_depend_on_their_order(tmp_path, vocab_file):
    """Two documents of one identifier have the same key; rows may come in any order."""
    job = beam_steps.Job(
        str(tmp_path / "work"), TextConfig(), PairConfig(), CorpusConfig(), 1
    )
    beam_storage.put(vocab_file, job.vocab_place)
    (tmp_path / "a.txt").write_text("A a b.\nA c.\n\nA d.\n\nA e f.\n")
    unit = units.Unit(0, 0, str(tmp_path / "a.txt"), None, 24)
    rows = [row for _, row in beam_steps.read_unit(job, unit)]
    assert rows[0] is None
    rows = [None, *(row._replace(key=7) for row in rows[1:])]
    found = []
    for order in (rows, rows[::-1]):
        list(beam_steps.write_part(job, (0, iter(order))))
        (documents,) = spool.read([Path(job.place("parts", 0))], [(0, 8)])
        found.append(documents)
    assert found[0].document_starts.tolist() == [0, 2, 3, 4]
    for name in ("token_ids", "sentence_starts", "document_starts"):
        assert getattr(found[0], name).tolist() == getattr(found[1], name).tolist()
    assert beam_storage.get_object(job.place("units", 0)).counts == CorpusCounts(
        num_documents=3, num_sentences=4, num_tokens=14
    )


def test_a_lost_worker_costs_the_element_that_it_was_at(cluster, tmp_path):
    def step(work, number):
        """Notes that it has begun and ended; its process dies once, in between."""
        begun = Path(work.place("begun", number))
        is_first = not begun.exists()
        with begun.open("a") as stream:
            stream.write("x")
        if number == 5 and is_first:
            os._exit(1)
        Path(work.place("ended", number)).touch()
        yield number

    work = beam_work.Work(str(tmp_path))
    for name in ("begun", "ended"):
        (tmp_path / name).mkdir()
    options = [f"--dask_client_address={cluster.scheduler_address}"]
    beam_runner.Runner.of("DaskRunner", options).run(work, range(8), step)
    assert len(list((tmp_path / "ended").iterdir())) == 8
    assert len((tmp_path / "begun" / "00005").read_text()) == 2
