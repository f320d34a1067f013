"""docs/extending.md: its files, added to a copy of the package, are a new problem."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import ner_toys
import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "extending.md").read_text("utf-8")
FILES = {
    path: text
    for path, text in re.findall(r"```python\n# (\S+)\n(.*?)```", PAGE, re.DOTALL)
    if path != "biobert_tf/problems.py"
}
TRAIN = [("treatment", "aspirin helps ."), ("diagnosis", "severe nephritis .")] * 4


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A copy of the package with the page's problem in it."""
    folder = tmp_path_factory.mktemp("extended")
    shutil.copytree(ROOT / "biobert_tf", folder / "biobert_tf")
    for path, text in FILES.items():
        file = folder / path
        file.parent.mkdir(exist_ok=True)
        file.write_text(text, "utf-8")
    (folder / "biobert_tf/triage/__init__.py").touch()
    listed = folder / "biobert_tf/problems.py"
    text = listed.read_text("utf-8")
    first = "from biobert_tf.training.problem import"
    text = text.replace(
        first, f"from biobert_tf.triage.problem import TRIAGE\n{first}", 1
    )
    text = text.replace("    PRETRAINING,\n]", "    PRETRAINING,\n    TRIAGE,\n]", 1)
    listed.write_text(text, "utf-8")
    ner_toys.write_released(folder / "released")
    for name in ("train", "devel", "test"):
        (folder / "data").mkdir(exist_ok=True)
        rows = "".join(f"{label}\t{text}\n" for label, text in TRAIN)
        (folder / f"data/{name}.tsv").write_text(rows)
    return folder


# Obeys all commands in one process, which imports TensorFlow once, and then asks the
# export. Gives back the status and what was said of each.
OBEY = """
import contextlib, io, json, sys
from pathlib import Path
from biobert_tf.cli import main
said, told = io.StringIO(), {}
for name, words in json.loads(sys.argv[1]).items():
    start, sys.argv = said.tell(), ["biobert", *words]
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        try:
            status = main.console()
        except SystemExit as ended:
            status = ended.code or 0
    told[name] = status, said.getvalue()[start:]
from biobert_tf.export.client import ExportedModel
model = ExportedModel(Path("exported"))
labels = model(strings=["aspirin helps .", "severe nephritis ."])["label"].tolist()
print(json.dumps({**told, "labels": labels}))
"""


@pytest.fixture(scope="module")
def told(place):
    """What the commands said, the status of each before it, and the export's labels."""
    flags = {
        "data_dir": "data",
        "output_dir": "run",
        "vocab_file": "released/vocab.txt",
        "bert_config_file": "released/bert_config.json",
        "max_seq_length": 12,
        "train_batch_size": 4,
        "num_train_epochs": 40,
        "learning_rate": 1e-2,
        "do_eval": "true",
        "keep_best": "accuracy",
        "strategy": "cpu",
    }
    commands = {
        "help": ["--help"],
        "flags": ["triage", "--help"],
        "bad": ["triage", "--data_dir=none", "--output_dir=x"],
        "train": ["triage", *(f"--{name}={value}" for name, value in flags.items())],
        "export": ["export", "--model=run", "--output=exported"],
        "convert": ["convert", "--from=run", "--to=hf"],
    }
    done = subprocess.run(
        [sys.executable, "-c", OBEY, json.dumps(commands)],
        cwd=place,
        env={**os.environ, "PYTHONPATH": str(place)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_the_page_has_a_file_for_every_step():
    names = {Path(path).name for path in FILES}
    assert names == {"settings.py", "reading.py", "task.py", "graph.py", "problem.py"}


def test_the_command_trains_and_scores(place, told):
    status, said = told["train"]
    assert status == 0, said
    results = json.loads((place / "run/results.json").read_text("utf-8"))
    assert results["task"] == "triage"
    assert results["test"]["scores"] == {"accuracy": 1.0}
    assert results["train"]["best"]["score"] == "accuracy"
    assert results["train"]["best"]["step"] == results["global_step"]
    assert "accuracy 100.00" in said
    rows = (place / "run/predictions.jsonl").read_text("utf-8").splitlines()
    assert [json.loads(row)["label"] for row in rows] == [label for label, _ in TRAIN]


def test_commands_ask_the_list(told):
    assert told["help"][0] == told["flags"][0] == 0
    assert "Fine-tune and predict the topic of texts." in told["help"][1]
    assert "--label_column: Column of the label" in told["flags"][1]
    status, said = told["bad"]
    assert status == 2
    assert said.splitlines()[-1] == "error: none/train.tsv: no such file"


def test_the_model_is_exported_and_answers(place, told):
    status, said = told["export"]
    assert status == 0, said
    card = json.loads((place / "exported/model_card.json").read_text("utf-8"))
    assert (card["kind"], card["title"]) == ("triage", "Triage of biomedical text")
    assert told["labels"] == ["treatment", "diagnosis"]


def test_the_model_is_converted(told):
    status, said = told["convert"]
    assert status == 0, said
    assert "BertForSequenceClassification" in said


def test_the_page_keeps_the_rules_of_the_code(place):
    """Types and imports of the page are checked as those of the package.

    What mypy knows of the package already, it need not find out again.
    """
    if (ROOT / ".mypy_cache").is_dir():
        shutil.copytree(ROOT / ".mypy_cache", place / ".mypy_cache")
    command = [sys.executable, "-m", "mypy", "--config-file", ROOT / "pyproject.toml"]
    done = subprocess.run(
        [*command, "-p", "biobert_tf.triage"], cwd=place, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout
