"""The small recording of the original's outputs in tests/recorded, and what makes it.

`BIOBERT_GOLDEN=FOLDER python tests/recording.py` makes it anew from the full recording
in FOLDER. The layout is that of the full one, so that the same tests compare with both.
Weights are not stored but drawn again: see tests/recorded/README.md.
"""

import gzip
import hashlib
import json
import os
import re
import shutil
import sys
import zlib
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).parent / "recorded"
SEED = 20190910
NUM_STEPS = 3
NUM_TEXTS = 30
LONGEST_TEXT = 250
# Of the conlleval.pl runs: mixed labels, another delimiter, and a refusal.
REPORTS = ("11_IOB1_1types_noise10", "hand_tabs_d", "hand_unicode", "hand_one_column")
TRAININGS = ("ner_gather", "ner_one_hot", "pretrain_gather", "re_gather", "qa_gather")
CHECKPOINTS = {"pretrain": 1000, "ner": 40, "re": 40, "chemprot": 40, "qa": 40}
# One of those with a sparse gradient, and the one that trains everything.
GRADIENTS = ("ner_gather", "pretrain_gather")
LARGEST_GRADIENT = 128


def draw(name: str, shape: list[int]) -> np.ndarray:
    """Returns the weights that the recording programs drew for a TF1 name."""
    random = np.random.RandomState((zlib.crc32(name.encode()) + SEED) % 2**32)
    if "LayerNorm" in name:
        values = random.uniform(-0.2, 0.2, shape) + name.endswith("gamma")
    elif name.endswith("bias") or "embeddings/" in name:
        values = random.normal(0, 0.1, shape)
    else:
        is_score = name.endswith(("query/kernel", "key/kernel"))
        values = random.normal(0, 0.15 if is_score else 0.08, shape)
    return values.astype(np.float32)


def digest(array: np.ndarray) -> str:
    return hashlib.sha256(array.tobytes()).hexdigest()


def build(folder: Path) -> Path:
    """Copies the recording and writes its checkpoints; returns the folder."""
    from biobert_tf.checkpoints import tf1

    shutil.copytree(FOLDER, folder, dirs_exist_ok=True)
    stored = json.loads((folder / "model" / "variables.json").read_text())
    heads = np.load(folder / "model" / "heads.npz")
    weights = {name: draw(name, facts["shape"]) for name, facts in stored.items()}
    for name, facts in stored.items():
        assert digest(weights[name]) == facts["sha256"], name
    for task, step in CHECKPOINTS.items():
        own = {
            name.partition("/")[2]: heads[name]
            for name in heads
            if name.startswith(f"{task}/")
        }
        shared = {n: w for n, w in weights.items() if not own or n.startswith("bert/")}
        prefix = folder / "model" / task / f"model.ckpt-{step}"
        tf1.write({**shared, **own}, prefix, step)
    return folder


# --- making it ------------------------------------------------------------------------


def write_json(path: Path, value: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=1) + "\n", "utf-8")


def write_npz(path: Path, arrays: dict[str, np.ndarray]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path, **arrays)


def record_model(golden: Path) -> None:
    """Takes the sizes, the drawn weights, the heads, and the outputs of input set b."""
    from biobert_tf.checkpoints import tf1

    source, target = golden / "model", FOLDER / "model"
    write_json(
        target / "bert_config.json",
        json.loads((source / "bert_config.json").read_text()),
    )
    weights = tf1.read(source / "pretrain").weights
    for name, array in weights.items():
        assert np.array_equal(draw(name, list(array.shape)), array), (
            f"{name} is not drawn from seed {SEED}"
        )
    facts = {
        name: {"shape": list(array.shape), "sha256": digest(array)}
        for name, array in sorted(weights.items())
    }
    write_json(target / "variables.json", facts)
    heads = {}
    for task in CHECKPOINTS:
        for name, array in tf1.read(source / task).weights.items():
            if name not in weights:
                heads[f"{task}/{name}"] = array
            else:
                assert np.array_equal(array, weights[name]), (task, name)
    write_npz(target / "heads.npz", heads)
    for file in ("inputs", *(f"outputs_{n}" for n in ("erf", "ner", "re", "qa"))):
        arrays = dict(np.load(source / f"{file}.npz"))
        kept = {
            name: array
            for name, array in arrays.items()
            if "b" in name.split("_")[:2]
            and array.nbytes < 100_000
            and not re.search("_act_|_defaults_", name)
        }
        write_npz(target / f"{file}.npz", kept)
    arrays = np.load(source / "outputs_tanh_gelu.npz")
    names = ("pooled_output", "masked_lm_loss", "masked_lm_example_loss")
    names += ("next_sentence_loss", "next_sentence_log_probs")
    write_npz(
        target / "outputs_tanh_gelu.npz", {f"b_{n}": arrays[f"b_{n}"] for n in names}
    )


def record_training(golden: Path) -> None:
    """Takes the first steps of every training, and the first gradient's small parts."""
    source, target = golden / "training", FOLDER / "training"
    for name in TRAININGS:
        settings = json.loads((source / f"{name}.json").read_text())
        cut = {"steps": NUM_STEPS, "final_global_step": NUM_STEPS, "is_cut": True}
        write_json(target / f"{name}.json", {**settings, **cut})
        task = name.partition("_")[0]
        for file in (f"batches_{task}", f"{name}_log"):
            arrays = np.load(source / f"{file}.npz")
            write_npz(
                target / f"{file}.npz", {k: arrays[k][:NUM_STEPS] for k in arrays}
            )
        if name in GRADIENTS:
            gradients = source / f"{name}_first_clipped_gradients.npz"
            arrays = np.load(gradients)
            kept = {k: arrays[k] for k in arrays if arrays[k].size <= LARGEST_GRADIENT}
            write_npz(target / gradients.name, kept)


def read_rows(path: Path) -> list[dict]:
    with gzip.open(path, "rt", encoding="ascii") as lines:
        return [json.loads(line) for line in lines]


def record_tokenization(golden: Path) -> None:
    """Takes some real and all adversarial texts, and the entries that they need.

    The longest entry that fits is also the longest among fewer entries, so the pieces
    stay; the ids are counted anew.
    """
    source, target = golden / "tokenization", FOLDER / "tokenization"
    target.mkdir(parents=True, exist_ok=True)
    real = read_rows(source / "real.jsonl.gz")
    real = [row for row in real if len(row["text"]) <= LONGEST_TEXT]
    rows = {
        "real": real[:: len(real) // NUM_TEXTS][:NUM_TEXTS],
        "adversarial": read_rows(source / "adversarial.jsonl.gz"),
    }
    for name in ("basic.jsonl.gz", "bytes.jsonl.gz", "wordpiece_toy.json"):
        shutil.copyfile(source / name, target / name)
    for kind in ("cased", "uncased"):
        used = {
            token for row in read_rows(source / "bytes.jsonl.gz") for token in row[kind]
        }
        used |= {
            t for part in rows.values() for row in part for t in row[kind]["tokens"]
        }
        used |= {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"}
        entries = (source / f"vocab_{kind}.txt").read_text("utf-8").splitlines()
        kept = [entry for entry in entries if entry in used]
        (target / f"vocab_{kind}.txt").write_text("\n".join(kept) + "\n", "utf-8")
        for row in (row for part in rows.values() for row in part):
            row[kind]["ids"] = [kept.index(token) for token in row[kind]["tokens"]]
    for name, part in rows.items():
        text = "".join(json.dumps(row) + "\n" for row in part)
        data = gzip.compress(text.encode("ascii"), mtime=0)
        (target / f"{name}.jsonl.gz").write_bytes(data)
    write_json(target / "stats.json", {name: len(part) for name, part in rows.items()})


def record_reports(golden: Path) -> None:
    source, target = golden / "ner" / "conlleval", FOLDER / "ner" / "conlleval"
    cases = json.loads((source / "expected.json").read_text("utf-8"))
    kept = [case for case in cases if case["case"] in REPORTS]
    write_json(target / "expected.json", kept)
    for name in REPORTS:
        shutil.copyfile(source / f"{name}.conll", target / f"{name}.conll")


def main() -> None:
    golden = Path(os.environ["BIOBERT_GOLDEN"])
    sys.path.insert(0, str(Path(__file__).parents[1]))
    for record in (record_model, record_training, record_tokenization, record_reports):
        record(golden)


if __name__ == "__main__":
    main()
