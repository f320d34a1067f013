"""How programs start: what they import, and when."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]

REFUSED = """\
annotate --model=absent --input=text.txt --output=out.jsonl
annotate --model=. --input=absent.txt --output=out.jsonl
annotate --model=. --input=empty.jsonl --output=out.jsonl
ask --model=absent --context=text.txt --question=why
ask --model=. --context=absent.txt --question=why
re-predict --model=absent --input=absent.pubtator --output=out.pubtator --pair=A-B
"""
REFUSE = """
import sys
from biobert_tf.cli import main
from biobert_tf.common import program
for words in sys.argv[1].splitlines():
    assert program.run(main.main, ["biobert", *words.split()]) == 2, words
    assert "tensorflow" not in sys.modules, words
"""
IMPORT = """
import gc, sys
from biobert_tf.common import program

def main(argv):
    here = lambda: sorted({"tf_keras", "keras", "orbit", "pandas"} & set(sys.modules))
    import biobert_tf.api
    print(here(), gc.isenabled())
    import biobert_tf.training.trainer, official.nlp.modeling.networks
    print("tf_keras" in here(), "keras" in here())

sys.exit(program.run(main, sys.argv))
"""


def said(folder, code, *words):
    done = subprocess.run(
        [sys.executable, "-c", code, *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout, done.stderr


def test_what_is_wrong_is_told_before_tensorflow_is_imported(tmp_path):
    (tmp_path / "text.txt").write_text("aspirin helps .\n")
    (tmp_path / "empty.jsonl").write_text("")
    _, errors = said(tmp_path, REFUSE, REFUSED)
    told = [line for line in errors.splitlines() if line.startswith("error: ")]
    assert len(told) == len(REFUSED.splitlines())


def test_predictions_import_no_keras_and_trainings_one(tmp_path):
    """TensorFlow itself would import Keras; trainings need that of `tf_keras`."""
    out, _ = said(tmp_path, IMPORT)
    assert out.splitlines() == ["[] True", "True False"]
