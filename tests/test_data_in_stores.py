"""Commands whose paths are all in a store do what they do on a disk, byte for byte."""

import functools
import gzip
import json
import tempfile
from pathlib import Path

import bioasq_toys
import document_toys
import feature_toys
import ner_toys
import pytest
import qa_toys
import re_toys

from biobert_tf.cli import main as cli
from biobert_tf.common import files, program, remote_path
from biobert_tf.documents import jobs
from biobert_tf.embeddings import extraction
from biobert_tf.model import heads
from biobert_tf.pretraining.data import outputs, units, workers

CORPUS = "Liver cancer helps .\naspirin helps with cancer .\n\nsevere nephritis .\n\n"
CHEMPROT = {
    "abstracts": "7\tAspirin inhibits COX-2.\tIt helps.\n",
    "entities": "7\tT1\tCHEMICAL\t0\t7\tAspirin\n7\tT2\tGENE\t17\t22\tCOX-2\n",
    "gold_standard": "7\tCPR:4\tArg1:T1\tArg2:T2\n",
}


class Roots:
    """The same files in a folder of the disk, at `{}/in`, and in TensorFlow's memory.

    No other process sees the memory.
    """

    def __init__(self, folder, capsys):
        self.disk = folder / "root"
        self.store = remote_path.parse(f"ram://stores{folder}")
        self.given = self.disk / "in"
        self.given.mkdir(parents=True)
        self._capsys = capsys

    def write(self, name, text):
        files.write_text(self.given / name, text)

    def run(self, root, *words):
        """Runs a command; returns its status, what it prints and what it says."""
        argv = ["biobert", *(word.replace("{}", str(root)) for word in words)]
        try:
            status = program.run(cli.main, argv)
        except SystemExit as error:  # Of argparse.
            status = error.code
        said = self._capsys.readouterr()
        return status, said.out.replace(str(root), "{}"), said.err

    def mirror(self):
        """Copies the files that are given into the store, unless they are there."""
        for path in files.files_below(self.given):
            target = self.store / path.relative_to(self.disk)
            if not target.exists():
                target.parent.mkdir(parents=True, exist_ok=True)
                remote_path.copy(path, target)

    def same(self, *words):
        """Runs a command on both; returns the bytes of its outputs by path."""
        self.mirror()
        on_disk, in_store = (self.run(root, *words) for root in (self.disk, self.store))
        assert in_store[0] == on_disk[0] == 0, in_store
        assert in_store[1] == on_disk[1]
        made = tree(self.disk)
        assert tree(self.store) == made
        return made


def tree(root):
    return {
        str(path.relative_to(root / "out")): contents(path, root)
        for path in files.files_below(root / "out")
        # Only a store has it.
        if path.name != jobs._WHOLE
    }


def contents(path, root):
    data = path.read_bytes().replace(str(root).encode(), b"{}")
    if path.name.endswith(".manifest.json"):
        values = json.loads(data)
        # When the inputs were written.
        values["settings"]["inputs"] = [i[:2] for i in values["settings"]["inputs"]]
        data = json.dumps(values).encode()
    return data


@pytest.fixture
def roots(tmp_path, capsys):
    return Roots(tmp_path, capsys)


# --- corpora, vocabularies, data ------------------------------------------------------


def test_corpus(roots):
    roots.write("b.xml", document_toys.pubmed(1, 2))
    (roots.given / "c.xml.gz").write_bytes(
        gzip.compress(document_toys.pubmed(2, 3).encode())
    )
    roots.write("a.txt", CORPUS)
    words = "corpus", "--input={}/in/*.txt,{}/in/*.xml*", "--output={}/out/c.txt.gz"
    made = roots.same(*words)
    assert set(made) == {f"c.txt.gz{end}" for end in ("", ".ids.tsv", ".report.json")}
    status, _, error = roots.run(roots.store, *words[:2], "--output={}/in/a.txt")
    assert status == 2 and "in/a.txt: is one of the inputs" in error
    # A local file by its URL.
    url = f"file://{roots.disk}"
    words = [word.replace("/out/", "/url/").replace("{}", url) for word in words]
    assert roots.run(roots.disk, *words)[0] == 0
    assert files.read_json(roots.disk / "url/c.txt.gz.report.json")["num_documents"]
    assert not Path("file:").exists()


def test_vocabularies(roots):
    roots.write("c.txt", CORPUS)
    roots.write("new.txt", "nephritis\n##ver\n")
    ner_toys.write_model(roots.given / "model")
    given = "--input={}/in/*.txt"
    roots.same("vocab", "learn", given, "--output={}/out/vocab.txt", "--vocab_size=265")
    roots.same(
        *("vocab", "report", given, "--output={}/out/report.json", "--suggest=2"),
        "--vocab_file={}/out/vocab.txt,{}/in/model/vocab.txt",
        "--suggestions_file={}/out/words.txt",
    )
    roots.same(
        *("vocab", "extend", "--add={}/in/new.txt", "--output_dir={}/out/entries"),
        "--vocab_file={}/out/vocab.txt",
    )
    made = roots.same(
        *("vocab", "extend", "--add={}/in/new.txt", "--output_dir={}/out/model"),
        *("--init_checkpoint={}/in/model", "--place=append"),
    )
    assert {"model/bert_model.ckpt.index", "entries/vocab.txt", "words.txt"} < set(made)


def test_questions(roots):
    roots.given.joinpath("q.json").parent.mkdir(exist_ok=True)
    mice = bioasq_toys.snippet("Mice have IL-2.", "5")
    question = bioasq_toys.question("q", "factoid", mice, answer=[["IL-2"]])
    bioasq_toys.write_bioasq(roots.given / "q.json", question)
    abstract = ("A title.", "Mice have IL-2. Men do not.")
    bioasq_toys.write_pubmed(roots.given / "5.xml", {5: abstract})
    made = roots.same(
        *("bioasq-data", "--input={}/in/q.json", "--output={}/out/train.json"),
        *("--question_type=factoid", "--strategy=abstract"),
        "--abstracts={}/in/*.xml",
    )
    assert b"Men do not." in made["train.json"]
    nbest = {"q_000": [{"text": "IL-2", "probability": 1.0}]}
    files.write_json(roots.given / "nbest.json", nbest)
    files.write_json(roots.given / "answers.json", {"q_000": "IL-2"})
    roots.same(
        *("bioasq-form", "--nbest_path={}/in/nbest.json"), "--output_path={}/out/b.json"
    )
    for words in (
        ("bioasq-eval", "{}/in/q.json", "{}/out/b.json"),
        ("squad-eval", "{}/out/train.json", "{}/in/answers.json"),
    ):
        roots.same(*words)


def test_relations(roots):
    document_toys.write(roots.given / "d.pubtator", "pubtator")
    for kind, text in CHEMPROT.items():
        roots.write(f"release/chemprot_training_{kind}.tsv", text)
    re_toys.write_data(roots.given / "gad", train=re_toys.TRAIN, test=re_toys.TEST)
    roots.same(
        *("re-data", "pairs", "--input={}/in/d.pubtator", "--output={}/out/p.tsv"),
        "--pair=Chemical-Gene",
    )
    roots.same("re-data", "chemprot", "--input={}/in/release", "--output={}/out/cpr")
    roots.same("re-data", "check", "{}/in/gad", "--json={}/out/check.json")
    made = roots.same("data-check", "{}/in/gad", "--json={}/out/data.json")
    assert len(made) == 4 and b"CPR:4" in made["cpr/train.tsv"]
    roots.write("results.tsv", "0.1\t0.9\n" * len(re_toys.TEST))
    roots.same(
        *("re-eval", "--task=binary", "--output_path={}/in/results.tsv"),
        "--answer_path={}/in/gad/test.tsv",
    )


def test_labelled_words(roots):
    ner_toys.write_data(roots.given, train=ner_toys.TRAIN, test=ner_toys.TEST)
    ner_toys.write_vocab(roots.given / "vocab.txt")
    roots.write("conll.txt", "aspirin B-Chem B-Chem\nhelps O O\n\n")
    roots.same(
        *("data-check", "{}/in", "--json={}/out/words.json"),
        "--vocab_file={}/in/vocab.txt",
    )
    roots.same("conlleval", "{}/in/conll.txt")
    roots.write("token_test.txt", "[CLS]\naspirin\nhelps\n[SEP]\n")
    roots.write("label_test.txt", "[CLS]\nB\nO\n[SEP]\n")
    roots.write("answer.txt", "aspirin\tB\nhelps\tO\n\n")
    roots.same(
        *("ner-detokenize", "--token_test_path={}/in/token_test.txt"),
        *("--label_test_path={}/in/label_test.txt", "--answer_path={}/in/answer.txt"),
        *("--output_dir={}/out", "--debug"),
    )


# --- records of a pre-training --------------------------------------------------------


CONVERT = (
    *("create-pretraining-data", "--input_file={}/in/text/*.txt", "--dupe_factor=2"),
    *("--vocab_file={}/in/vocab.txt", "--max_seq_length=16"),
    "--max_predictions_per_seq=3",
)


@pytest.fixture
def converting(roots, monkeypatch, tmp_path):
    """The corpus of a conversion, whose texts are cut into blocks."""
    # The disk's conversion is about processes elsewhere.
    monkeypatch.setattr(workers, "pool", lambda _: workers.thread())
    monkeypatch.setattr(units, "_BLOCK_BYTES", 200)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    for name in "ab":
        roots.write(f"text/{name}.txt", CORPUS * 20)
    ner_toys.write_vocab(roots.given / "vocab.txt")
    return roots


def test_records(converting):
    one = (*CONVERT, "--output_file={}/out/one.tfrecord")
    converting.same(*one)
    converting.same(*CONVERT, "--output_file={}/out/many.tfrecord", "--num_shards=2")
    exact = (*CONVERT, "--exact", "--input_file={}/in/text/a.txt")
    converting.same(*exact, "--output_file={}/out/a.tfrecord,{}/out/b.tfrecord")
    shown = (
        *("inspect-tfrecord", "{}/out/*.tfrecord", "--vocab_file={}/in/vocab.txt"),
        "--json={}/out/inspection.json",
    )
    made = converting.same(*shown)
    assert len(made) == 3 + 5 + 1
    assert not [*Path(tempfile.gettempdir()).glob("biobert*")]
    # Everything is there already, and nothing is written again.
    made.pop("inspection.json")
    assert made.items() < converting.same(*one).items()


def test_an_interrupted_conversion_goes_on(converting, monkeypatch, tmp_path):
    words = (*CONVERT, "--output_file={}/out/x.tfrecord", "--num_shards=3")
    converting.mirror()
    move, read, moved, num_read = files.move, units.UnitReader.read, [], []

    def failing(source, target, last=""):
        nonlocal moved
        moved += [target] if target.suffix == ".tfrecord" else []
        if len(moved) == 4:  # Each is moved within the work folder, then out of it.
            raise RuntimeError("the machine is lost")
        move(source, target, last)

    def counted(self, unit):
        num_read.append(unit)
        return read(self, unit)

    monkeypatch.setattr(units.UnitReader, "read", counted)
    with monkeypatch.context() as lost, pytest.raises(RuntimeError):
        lost.setattr(outputs.files, "move", failing)
        converting.run(converting.store, *words)
    [work] = Path(tempfile.gettempdir()).glob("biobert*")
    assert moved and (work / "files/00000.json").is_file()
    first = num_read.copy()
    assert len(first) > 2
    names = ["x-00000-of-00003.tfrecord", "x-00002-of-00003.tfrecord"]
    assert sorted(tree(converting.store)) == names
    # Another conversion to the same place is refused, as on a disk.
    status, _, error = converting.run(converting.store, *words, "--random_seed=1")
    assert status == 2 and "random_seed was 12345, is 1; delete" in error
    assert converting.run(converting.store, *words)[0] == 0
    assert num_read == first
    assert not work.exists()
    converting.run(converting.disk, *words)
    assert tree(converting.store) == tree(converting.disk)


# --- models ---------------------------------------------------------------------------


def test_annotated_folders(roots, monkeypatch):
    ner_toys.write_model(roots.given / "model", config=ner_toys.STRONG)
    recorded = {"train_on": "train", "max_seq_length": 12}
    files.write_json(roots.given / "model" / "settings.json", recorded)
    roots.write("texts/a.txt", "aspirin helps with nephritis .\n")
    roots.write("texts/.hidden.txt", "aspirin\n")
    roots.write("texts/inner/b.txt", "severe Liver cancer .\n")
    document_toys.write(roots.given / "texts" / "inner" / "c.pubtator.gz", "pubtator")
    document_toys.write(roots.given / "texts" / "brat", "brat")
    words = ("annotate", "--model={}/in/model", "--input={}/in/texts", "--strategy=cpu")
    to_brat = (*words, "--output={}/out/brat", "--output_format=brat")
    as_read = (*words, "--output={}/out/same")
    roots.same(*as_read)
    roots.same(*words, "--output={}/out/all.html")
    made = roots.same(*to_brat)
    wanted = {"same/a.jsonl", "same/inner/c.pubtator.gz", "same/brat/7.ann"}
    assert wanted < set(made)
    assert {"brat/inner/c/7.txt", "brat/inner/c/10.ann"} < set(made)
    for each in (as_read, to_brat):
        _, _, said = roots.run(roots.store, *each)
        assert "files are annotated already" in said
    # Only a part of a folder is there: it is written again.
    folder = roots.store / "out/brat/inner/c"
    (folder / jobs._WHOLE).unlink()
    (folder / "7.ann").unlink()
    status, _, said = roots.run(roots.store, *to_brat)
    assert status == 0 and "files were there already" in said
    assert tree(roots.store) == made


def test_predicted_relations(roots):
    document_toys.write_chemprot_model(roots.given / "model")
    document_toys.write(roots.given / "brat", "brat")
    words = ("re-predict", "--model={}/in/model", "--strategy=cpu")
    made = roots.same(
        *(*words, "--input={}/in/brat", "--output={}/out/brat"),
        *("--pair=Chemical-Gene", "--candidates={}/out/all.jsonl"),
    )
    assert "cpr:" in made["all.jsonl"].decode() and "brat/7.ann" in made


def test_answers(roots, monkeypatch):
    folder = roots.given / "model"
    ner_toys.write_vocab(folder / "vocab.txt", qa_toys.VOCAB)
    model = heads.SpanClassifier(qa_toys.CONFIG, seed=1)
    ner_toys.save_model(model, ("start", "end"), folder)
    recorded = {"max_seq_length": 16, "max_query_length": 6, "doc_stride": 4}
    recorded["question_type"] = "factoid"
    files.write_json(folder / "settings.json", recorded)
    roots.write("a.txt", "in men cancer is cured .")
    files.write_json(roots.given / "b.json", qa_toys.training())
    made = roots.same(
        *("ask", "--model={}/in/model", "--question=what is cured ?", "--strategy=cpu"),
        *("--context={}/in/a.txt,{}/in/b.json", "--json={}/out/answers.json"),
    )
    assert b"cancer" in made["answers.json"]


def test_vectors(roots, monkeypatch):
    feature_toys.write_model(roots.given / "model")
    feature_toys.write_input(roots.given)
    roots.mirror()
    once = functools.cache(extraction.load)
    at = f"{roots.store}/in"
    settings = feature_toys.settings(
        init_checkpoint=f"{at}/model", max_seq_length=8, batch_size=4, strategy="cpu"
    )
    in_store = settings.text, settings.model, settings.device, settings.batch_size
    monkeypatch.setattr(extraction, "load", lambda *given: once(*in_store))
    for name in ("a.jsonl.gz", "a.npz", "a.h5", "a.parquet"):
        _, *words = feature_toys.argv(
            "{}/in/model", "{}/in/input.txt", f"{{}}/out/{name}"
        )
        assert roots.same(*words)[name]


# --- what is refused ------------------------------------------------------------------


@pytest.mark.parametrize(
    "words",
    [
        "corpus --input={} --output=c.txt",
        "corpus --input=absent --output={}",
        "vocab report --input=absent --vocab_file={vocab},{}",
        "vocab extend --add={} --vocab_file={vocab} --output_dir=x",
        "annotate --model=absent,{} --input=absent --output=x",
        "annotate --model=absent --input=absent --output={}",
        "re-predict --model=absent --input={} --output=x --pair=a-b",
        "ask --model=absent --context={} --question=why",
        "extract-features --init_checkpoint=absent --input_file={} --output_file=x.npz",
        "bioasq-data --input=absent --output={} --question_type=list",
        "data-check absent --json={}",
        "inspect-tfrecord {}",
        "conlleval {}",
        "create-pretraining-data --input_file=x --output_file={} --vocab_file={vocab}",
    ],
)
def test_unknown_schemes_are_refused(roots, words):
    ner_toys.write_vocab(roots.given / "vocab.txt")
    words = words.replace("{vocab}", f"{roots.given}/vocab.txt")
    status, out, error = roots.run("s3://bucket/x", *words.split())
    assert status == 2 and not out
    lines = [line for line in error.splitlines() if "usage:" not in line]
    assert "s3://bucket/x: TensorFlow does not know s3://; use file" in lines[-1]
