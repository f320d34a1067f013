"""Every command of docs/migrating.md runs on toys, and every flag it names is known.

`python tests/test_migrating.py` rewrites the page's table of flags.
"""

import dataclasses
import io
import os
import re
import runpy
import shlex
import sys
from pathlib import Path

import ner_toys
import pytest
import qa_toys
import re_toys
import tensorflow as tf
from test_readme import flags_page

from biobert_tf.cli import main as cli
from biobert_tf.common import files, other_programs

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "migrating.md"
HEADING = "## Flags of other programs\n"
# One step shows that a command runs; of two values of a flag the last one counts. A
# batch of pre-training, and the passes it is cut into, are smaller too.
SMALL = ["--train_batch_size=32", "--gradient_accumulation_steps=4"]
SHORT = {
    "run_pretraining.py": ["--max_steps=1", "--max_eval_steps=1", *SMALL],
    "run_ner.py": ["--max_steps=1"],
    "run_re.py": ["--max_steps=1"],
    "run_qa.py": ["--max_steps=1"],
}


# What a command that writes no file prints: the name of a score.
PRINTED = {
    "conlleval": "FB1:",
    "re-eval": "f1 score",
    "squad-eval": "exact match",
    "bioasq-eval": "mrr",
}


@dataclasses.dataclass(frozen=True)
class Row:
    """A line of a table: their command, ours, and a file that it writes, or ""."""

    old: str
    new: str
    file: str

    @property
    def is_unchanged(self):
        return self.new == "unchanged"


def sources():
    """The rows of the page's tables, by the name of the program."""
    found = {}
    for section in PAGE.read_text("utf-8").split("\n## ")[1:]:
        name, _, text = section.partition("\n")
        rows = [line.split(" | ") for line in text.split("\n") if line[:3] == "| `"]
        if HEADING[3:-1] != name:
            found[name] = [Row(*(cell.strip("|` ") for cell in row)) for row in rows]
    return found


SOURCES = sources()


def flag_table():
    advice = other_programs.ADVICE.items()
    return "".join(f"| `--{name}` | {text} |\n" for name, text in sorted(advice))


# --- the toys -------------------------------------------------------------------------

# The batches of the commands are of up to 128 rows, and the toys have four.
ENOUGH = 40
WORDS = [*re_toys.VOCAB, *qa_toys.WORDS.split()]
CONFIG = dataclasses.replace(
    ner_toys.CONFIG, vocab_size=len(WORDS), max_position_embeddings=512
)


def write_released(folder, name, config, is_lower=False):
    """A released model with random weights: the vocabulary, sizes and a checkpoint."""
    from biobert_tf.checkpoints import native, tf1
    from biobert_tf.model import heads

    vocab = [w if w[0] == "[" else w.lower() for w in WORDS] if is_lower else WORDS
    ner_toys.write_released(folder, config, vocab)
    model = heads.TokenClassifier(config, 2, seed=1)
    weights = native.extract(model.variables)
    encoder = {n: w for n, w in weights.items() if not n.startswith("output_")}
    tf1.write(encoder, folder / name, 1_000_000)


def write_questions(folder):
    """SQuAD's and BioASQ's files."""
    for split, times in (("train", ENOUGH), ("dev", 1)):
        rows = [(f"{i:024}", *row) for i, row in enumerate(qa_toys.TRAIN * times)]
        files.write_json(folder / f"{split}-v1.1.json", qa_toys.squad(rows))
        found = qa_toys.squad(rows)
        for i, paragraph in enumerate(found["data"][0]["paragraphs"]):
            paragraph["qas"][0]["is_impossible"] = False
            none = {"id": f"none{i}", "question": "who ?", "answers": []}
            paragraph["qas"].append({**none, "is_impossible": True})
        files.write_json(folder / f"{split}-v2.0.json", found)
    for edition in ("4b", "7b"):
        name = f"BioASQ-train-factoid-{edition}.json"
        files.write_json(folder / name, qa_toys.training(qa_toys.TRAIN * ENOUGH))
    for name in ("BioASQ-test-factoid-4b-1.json", "BioASQ-test-factoid-7b.json"):
        files.write_json(folder / name, qa_toys.test_set())
    for name in ("4B1_golden.json", "7B_golden.json"):
        files.write_json(folder / name, qa_toys.golden())
    rows = [(f"q{i}_001", "is it ?", "cancer is cured .", i % 2) for i in range(ENOUGH)]
    files.write_json(folder / "BioASQ-train-yesno-7b.json", qa_toys.yes_no(rows))


@pytest.fixture(scope="module")
def eagerly():
    """Without graphs: tracing them takes most of the time of a training of one step."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.fixture(scope="module")
def world(eagerly, tmp_path_factory):
    """A folder with everything that the commands read."""
    folder = tmp_path_factory.mktemp("world")
    write_released(folder / "biobert", "model.ckpt-1000000", CONFIG)
    write_released(folder / "uncased", "bert_model.ckpt", CONFIG, is_lower=True)
    # One of the commands asks for four layers.
    four = dataclasses.replace(CONFIG, num_hidden_layers=4)
    write_released(folder / "bert", "bert_model.ckpt", four, is_lower=True)
    for name in ("biobert-base-cased-v1.1", "biobert-base-cased-v1.2"):
        words = [f"--from={folder / 'biobert'}", f"--to={folder / name}"]
        cli.main(["biobert", "convert", *words])
    train = ner_toys.TRAIN * ENOUGH
    splits = {"train": train, "devel": ner_toys.DEVEL, "test": ner_toys.TEST}
    untyped = {name: ner_toys.untyped(rows) for name, rows in splits.items()}
    for place in ("NER/NCBI-disease", "chem", "data/ner"):
        ner_toys.write_data(folder / place, **untyped)
    rows = {"train": re_toys.TRAIN * ENOUGH, "test": re_toys.TEST}
    # As published, the development file is empty.
    re_toys.write_data(folder / "RE" / "GAD" / "1", **rows, dev=[])
    re_toys.write_data(folder / "data" / "relations", **rows, dev=re_toys.DEV)
    chemprot = [(text, f"CPR:{3 * int(label) + 3}") for text, label in re_toys.TRAIN]
    few = dict.fromkeys(("dev", "test"), chemprot)
    re_toys.write_data(folder / "chemprot", train=chemprot * ENOUGH, **few)
    write_questions(folder / "QA" / "BioASQ")
    documents = ["Liver cancer is cured .\nsevere nephritis in men .\n"] * 30
    (folder / "sample_text.txt").write_text("\n".join(documents))
    words = [f"--output_file={folder / 'training' / 'pubmed.tfrecord'}"]
    words += [f"--input_file={folder / 'sample_text.txt'}"]
    words += [f"--vocab_file={folder / 'bert' / 'vocab.txt'}"]
    cli.main(["biobert", "create-pretraining-data", *words, "--num_workers=1"])
    (folder / "input.txt").write_text("who is cured ? ||| men with cancer\n")
    (folder / "pubmed_entity_2048.txt").write_text("Liver cancer\nnephritis\n")
    return folder


VARIABLES = {
    "BIOBERT_DIR": "biobert",
    "BERT_BASE_DIR": "bert",
    "BERT_DIR": "uncased",
    "NER_DIR": "NER/NCBI-disease",
    "RE_DIR": "RE/GAD/1",
    "TASK_NAME": "gad",
    "QA_DIR": "QA/BioASQ",
    "SQUAD_DIR": "QA/BioASQ",
    "DATASET_DIR": ".",
    "DATA_DIR": ".",
    "ENTITY": "NCBI-disease",
}


# --- the commands ---------------------------------------------------------------------


def run(command, monkeypatch):
    """Runs a line of shell in this process; returns its status."""
    words = shlex.split(os.path.expandvars(command))
    if "<" in words:
        data = Path(words.pop()).read_bytes()
        assert words.pop() == "<"
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data)))
    if words[0] == "biobert":
        monkeypatch.setattr(sys, "argv", words)
        return cli.console()
    assert words[0] in ("python", "python3")
    script, *flags = words[1:]
    monkeypatch.setattr(sys, "argv", [script, *flags, *SHORT.get(script, [])])
    with pytest.raises(SystemExit) as caught:
        runpy.run_path(str(ROOT / script), run_name="__main__")
    return caught.value.code


@pytest.mark.parametrize("source", SOURCES)
def test_every_row_runs(source, world, monkeypatch, capsys):
    monkeypatch.chdir(world)
    for name, value in VARIABLES.items():
        monkeypatch.setenv(name, value)
    assert len(SOURCES[source]) >= 3
    for row in SOURCES[source]:
        command = row.old if row.is_unchanged else row.new
        (world / row.file).is_file() and (world / row.file).unlink()
        status = run(command, monkeypatch)
        shown = capsys.readouterr()
        assert status == 0, (command, shown.err)
        if not row.file:
            assert PRINTED[row.new.split()[1]] in shown.out, command
        if row.file:
            assert (world / row.file).stat().st_size, command
        script = row.old.split()[1]
        if not row.is_unchanged and (ROOT / script).exists():
            # A line that must change is refused, and told why.
            assert run(row.old, monkeypatch) == 2, row.old
            told = capsys.readouterr().err
            is_task = "should be one of <gad" in told
            assert is_task or "; see docs/migrating.md" in told, told


def test_the_table_of_flags_is_the_code():
    assert PAGE.read_text("utf-8").split(HEADING)[1].endswith(flag_table())


def test_advice_names_flags_that_exist():
    known = set(re.findall(r"--\w+", flags_page()))
    for name, text in other_programs.ADVICE.items():
        assert set(re.findall(r"--\w+", text)) <= known, name


def test_every_flag_of_another_program_is_explained():
    """Those of the lines that must change."""
    known = set(re.findall(r"--\w+", flags_page()))
    for rows in SOURCES.values():
        for row in rows:
            if "python" in row.old and not row.is_unchanged:
                named = set(re.findall(r"(?<=--)\w+(?=[ =]|$)", row.old))
                ours = set(re.findall(r"(?<=--)\w+(?=[ =]|$)", row.new))
                for name in named - ours - {flag[2:] for flag in known}:
                    assert name in other_programs.ADVICE, (name, row.old)


if __name__ == "__main__":
    head, _, table = PAGE.read_text("utf-8").partition(HEADING)
    start = "".join(table.splitlines(keepends=True)[:3])
    PAGE.write_text(head + HEADING + start + flag_table(), "utf-8")
