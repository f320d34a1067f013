"""Pre-training data of a toy vocabulary, and flags of a run that takes a second."""

import dataclasses

import numpy as np

from biobert_tf.common import files
from biobert_tf.model.config import EncoderConfig
from biobert_tf.pretraining.task import PretrainingTask
from biobert_tf.training import records

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[unused1]"]
WORDS = "The gene ##s of E . coli bind ##ing protein ##ase in mice are expressed"
VOCAB = [*SPECIAL, *WORDS.split()]
ID = {piece: number for number, piece in enumerate(VOCAB)}
LENGTH = 16
MOST_MASKED = 3
CONFIG = EncoderConfig(
    vocab_size=len(VOCAB),
    hidden_size=16,
    num_hidden_layers=1,
    num_attention_heads=2,
    intermediate_size=32,
    max_position_embeddings=LENGTH,
    initializer_range=0.2,
)
STATIC = PretrainingTask(
    max_seq_length=LENGTH,
    max_predictions_per_seq=MOST_MASKED,
    vocab_size=CONFIG.vocab_size,
)
UNMASKED_FEATURES = ("input_ids", "input_mask", "segment_ids", "next_sentence_labels")


def rows(num_rows, seed=0):
    """Sentence pairs; B begins as A does where it is the true next sentence."""
    rng = np.random.default_rng(seed)
    made = []
    for _ in range(num_rows):
        num_a, num_b = rng.integers(3, 7, 2)
        a = rng.integers(len(SPECIAL), len(VOCAB), num_a)
        b = rng.integers(len(SPECIAL), len(VOCAB), num_b)
        is_random = int(rng.integers(2))
        if not is_random:
            b[0] = a[0]
        ids = [ID["[CLS]"], *a, ID["[SEP]"], *b, ID["[SEP]"]]
        positions = np.sort(rng.choice(num_a, rng.integers(1, 4), replace=False)) + 1
        masked = np.array(ids)
        masked[positions] = ID["[MASK]"]
        made.append(
            {
                "input_ids": padded(masked, LENGTH),
                "input_mask": padded([1] * len(ids), LENGTH),
                "segment_ids": padded([0] * (num_a + 2) + [1] * (num_b + 1), LENGTH),
                "masked_lm_positions": padded(positions, MOST_MASKED),
                "masked_lm_ids": padded(np.array(ids)[positions], MOST_MASKED),
                "masked_lm_weights": padded([1.0] * len(positions), MOST_MASKED),
                "next_sentence_labels": [is_random],
            }
        )
    return made


def padded(values, length):
    return [*values, *[0] * (length - len(values))]


def unmasked(row):
    """The row as `--masking=dynamic` stores it."""
    ids = np.array(row["input_ids"])
    for position, piece, weight in zip(
        *(row[f"masked_lm_{name}"] for name in ("positions", "ids", "weights")),
        strict=True,
    ):
        if weight:
            ids[position] = piece
    return {**{name: row[name] for name in UNMASKED_FEATURES}, "input_ids": ids}


def batch(num_rows, seed=0):
    """Arrays `[rows, ...]` per name, int32 or float32."""
    made = rows(num_rows, seed)
    return {
        name: np.array(
            [row[name] for row in made],
            np.float32 if name == "masked_lm_weights" else np.int32,
        )
        for name in made[0]
    }


def write_records(path, num_rows, seed=0, is_dynamic=False):
    """Writes rows with their masks, or without; returns the path."""
    made, specs = rows(num_rows, seed), STATIC.specs
    if is_dynamic:
        made = [unmasked(row) for row in made]
        specs = {name: specs[name] for name in UNMASKED_FEATURES}
    records.write(path, made, specs)
    return path


def write_vocab(path, vocab=VOCAB):
    files.write_text(path, "".join(f"{piece}\n" for piece in vocab))
    return path


class Toy:
    """The inputs of a run in one folder: three files of records, sizes, vocabulary."""

    def __init__(self, folder, is_dynamic=False):
        self.records = folder / "records"
        for number, num_rows in enumerate((11, 7, 9)):
            path = self.records / f"part-{number}.tfrecord"
            write_records(path, num_rows, seed=number, is_dynamic=is_dynamic)
        self.vocab_file = write_vocab(folder / "vocab.txt")
        self.config_file = folder / "bert_config.json"
        files.write_json(self.config_file, dataclasses.asdict(CONFIG))
        self.output = folder / "output"

    def argv(self, **flags):
        """A training of seven steps; `flags` add, replace, or with None remove."""
        values = {
            "input_file": f"{self.records}/*",
            "output_dir": self.output,
            "bert_config_file": self.config_file,
            "vocab_file": self.vocab_file,
            "do_train": True,
            "max_seq_length": LENGTH,
            "max_predictions_per_seq": MOST_MASKED,
            "train_batch_size": 8,
            "num_train_steps": 7,
            "num_warmup_steps": 2,
            "learning_rate": 1e-2,
            "save_checkpoints_steps": 3,
            "strategy": "cpu",
            **flags,
        }
        words = [
            f"--{name}={value}" for name, value in values.items() if value is not None
        ]
        return ["run_pretraining.py", *words]
