"""Data and a checkpoint for `biobert reproduce`, and a program that takes no time.

The program stands for `python -m biobert_tf`: it writes results that depend on its
flags, and fails, waits or dies where a file says so.
"""

import sys
from pathlib import Path

import ner_toys
import qa_toys
import re_toys

from biobert_tf.common import files, flags
from biobert_tf.published import manifest
from biobert_tf.reproduce.settings import ReproduceConfig

_PROGRAM = """
import json, os, signal, sys, time
from pathlib import Path

problem, *words = sys.argv[1:]
flags = dict(word.removeprefix("--").split("=", 1) for word in words)
folder = Path(flags["output_dir"])
(folder / "training").mkdir(parents=True, exist_ok=True)
with (folder / "calls").open("a") as stream:
    stream.write(" ".join(words) + chr(10))

def number(text):
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            pass
    return text

todo = Path(os.environ["REPRODUCE_TODO"])
parts = folder.parts
# Below --output, or below the temporary folder of a dry run.
name = "/".join(parts[parts.index("trial" if "trial" in parts else "runs") :])
what = json.loads(todo.read_text()).get(name) if todo.exists() else None
if what == "crash":
    os.kill(os.getpid(), signal.SIGKILL)
if what == "fail":
    print("error: --learning_rate=1: too high", file=sys.stderr)
    sys.exit(2)
if what == "wait":
    def stop(*_):
        print("interrupted: saved", file=sys.stderr)
        sys.exit(143)
    signal.signal(signal.SIGTERM, stop)
    (folder / "waits").touch()
    time.sleep(60)
print("training: 4/6 steps, loss 1.0, 0.1 examples/s", file=sys.stderr)
pace = 0.25 if flags.get("compat") == "master" else 0.5
print(f"training: 6/6 steps, loss 1.0, {pace} examples/s", file=sys.stderr)
seed, rate = int(flags["seed"]), float(flags["learning_rate"])
score = 0.8 + seed / 100 + rate
scores = {key: score for key in ("precision", "recall", "f1")}
scores |= {"factoid_" + key: score
           for key in ("strict_accuracy", "lenient_accuracy", "mrr")}
scores |= dict.fromkeys(("word_macro_f1", "macro_f1", "example_f1", "accuracy",
                         "pearson", "spearman"), score)
scores["interval_95"] = {"f1": [score - 0.1, score + 0.1]}
settings = {key: number(value) for key, value in flags.items()}
stages = {"devel": {"scores": scores}, "test": {"scores": scores}}
results = {"settings": settings, **stages}
(folder / "new.json").write_text(json.dumps(results))
(folder / "new.json").rename(folder / "results.json")
"""


class Toy:
    """The inputs of `biobert reproduce` in one folder."""

    def __init__(self, folder):
        self.folder = folder
        self.data, self.output = folder / "data", folder / "output"
        self.model = folder / "tiny"
        self.todo = folder / "todo.json"
        program = folder / "program.py"
        files.write_text(program, _PROGRAM)
        self.program = (sys.executable, str(program))
        self.write()

    def write(self):
        ner_toys.write_released(self.model)
        files.write_text(self.model / "bert_model.ckpt.index", "")
        ner_toys.write_data(
            self.data / "ner" / "NCBI-disease",
            **{
                split: ner_toys.untyped(sentences)
                for split, sentences in (
                    ("train", ner_toys.TRAIN),
                    ("devel", ner_toys.DEVEL),
                    ("test", ner_toys.TEST),
                )
            },
        )
        for fold in range(1, 11):
            re_toys.write_data(
                self.data / "re" / "GAD" / str(fold),
                train=re_toys.TRAIN,
                test=re_toys.TEST,
            )
        self.write_questions(self.data / "qa" / "BioASQ")

    def write_benchmark(self):
        """Writes six sets of BLURB, under usual names and others."""
        typed = {"train": ner_toys.TRAIN, "dev": ner_toys.DEVEL, "test": ner_toys.TEST}
        ner_toys.write_data(self.data / "ner" / "JNLPBA-typed", **typed)
        ner_toys.write_data(self.data / "EBM-PICO", **typed)
        re_toys.write_data(
            self.data / "GAD-BLURB",
            train=re_toys.TRAIN,
            dev=re_toys.DEV,
            test=re_toys.TEST,
        )
        pairs = "pair_id\tsent1\tsent2\tscore\n"
        pairs += "1\tLiver cancer .\tsevere cancer .\t3.5\n"
        pairs += "2\taspirin helps .\tsevere cancer .\t0.5\n"
        pairs += "3\taspirin helps .\taspirin helps .\t4.0\n"
        flags = ["1" if i == 7 else "0" for i in range(10)]
        labels = ",".join(f"{i}_{flag}" for i, flag in enumerate(flags))
        sentences = "labels\tsentence\tindex\n"
        sentences += f"{labels}\taspirin helps .\t12_s0\n"
        sentences += f"{labels.replace('7_1', '7_0')}\tLiver cancer .\t12_s1\n"
        for split in ("train", "dev", "test"):
            files.write_text(self.data / "BIOSSES" / f"{split}.tsv", pairs)
            place = self.data / "classification" / "HoC" / f"{split}.tsv"
            files.write_text(place, sentences)

    def write_questions(self, folder):
        row = manifest.load().row("BioASQ-4b")
        for name in row.files:
            values = qa_toys.golden() if "golden" in name else qa_toys.test_set()
            if name != row.questions.train:
                files.write_json(folder / name, values)
        golden = qa_toys.golden()
        for question in golden["questions"]:
            text = "in 2 men Liver cancer is cured ."
            question["snippets"] = [
                {
                    "text": text,
                    "document": "http://www.ncbi.nlm.nih.gov/pubmed/1",
                    "beginSection": "abstract",
                    "endSection": "abstract",
                    "offsetInBeginSection": 0,
                    "offsetInEndSection": len(text),
                }
            ]
        files.write_json(folder / "5B_golden.json", golden)

    def argv(self, **given):
        """The flags of a command; one of None is left out."""
        values = {
            "datasets": "NCBI-disease",
            "models": self.model,
            "data": self.data,
            "output": self.output,
            "seeds": 2,
            **given,
        }
        return [f"--{k}={v}" for k, v in values.items() if v is not None]

    def config(self, **given):
        return flags.parse(ReproduceConfig, ["reproduce", *self.argv(**given)])

    def do(self, **what):
        """Says what runs do instead of succeeding: crash, fail or wait, by name."""
        files.write_json(self.todo, what)

    def environment(self):
        return {"REPRODUCE_TODO": str(self.todo)}


def calls(folder: Path) -> list[str]:
    """The command lines with which a run was called."""
    return (folder / "calls").read_text().splitlines()
