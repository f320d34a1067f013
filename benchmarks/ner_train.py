# SPDX-License-Identifier: Apache-2.0
r"""Compares the speed of NER training steps with Transformers on PyTorch.

    python benchmarks/ner_train.py --model=DIR

DIR is a Hugging Face BERT directory; both sides start from its weights. Both run the
same step on the same batch: forward, backward, clipping to norm 1, AdamW, dropout 0.1.
They take turns in one process, so that the ratio holds on a busy machine. Needs
`pip install -e '.[benchmark]'`.
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import tensorflow as tf

from biobert_tf import checkpoints
from biobert_tf.checkpoints import native
from biobert_tf.common import settings as config
from biobert_tf.model.config import EncoderConfig
from biobert_tf.ner.features import UNLABELLED
from biobert_tf.ner.task import NerTask
from biobert_tf.text.tokenization import FullTokenizer
from biobert_tf.training import optimizer, precision, strategy
from biobert_tf.training.trainer import Trainer

NUM_LABELS = 3
LEARNING_RATE = 1e-5
Arrays = dict[str, np.ndarray]


def random_batch(size: int, length: int, vocab_size: int) -> Arrays:
    """Returns a batch of sentences of random pieces, every second one labelled."""
    rng = np.random.default_rng(0)
    shape = (size, length)
    labels = rng.integers(0, NUM_LABELS, shape)
    labels[:, ::2] = UNLABELLED
    return {
        "input_ids": rng.integers(1000, vocab_size, shape).astype(np.int32),
        "input_mask": np.ones(shape, np.int32),
        "segment_ids": np.zeros(shape, np.int32),
        "label_ids": labels.astype(np.int32),
    }


def ours(
    model_dir: Path, batch: Arrays, device: config.DeviceConfig
) -> Callable[[int], float]:
    """Returns a function that trains for some steps and returns the seconds."""
    encoder_config = EncoderConfig.from_json(model_dir / "config.json")
    task = NerTask(
        tokenizer=FullTokenizer(model_dir / "vocab.txt", do_lower_case=True),
        labels=("O", "B", "I"),
        max_seq_length=batch["input_ids"].shape[1],
        compat="fixed",
    )
    strategy.make_repeatable()
    place = strategy.build_strategy(device)
    with place.scope():
        model = task.build_model(encoder_config, 0, precision.dtype(device))
        checkpoint = checkpoints.locate(model_dir).read()
        native.assign(
            model.variables,
            checkpoint.weights,
            source=checkpoint.source,
            new_head=task.new_head,
        )
        rates = optimizer.LinearWarmupDecay(LEARNING_RATE, 10**6, 0)
        adam = optimizer.AdamWeightDecay(rates)
        adam.build(model.trainable_variables)
        trainer = Trainer(
            task,
            model,
            adam,
            place.experimental_distribute_dataset(
                tf.data.Dataset.from_tensors(batch).repeat()
            ),
            seed=0,
            max_loop_steps=1000,
            xla=strategy.uses_xla(device, place),
        )

    def run(num_steps: int) -> float:
        start = time.perf_counter()
        with place.scope():
            trainer.train(tf.constant(num_steps))
        return time.perf_counter() - start

    return run


def theirs(model_dir: Path, batch: Arrays, is_bfloat16: bool) -> Callable[[int], float]:
    """Returns such a function for Transformers, with the steps of its Trainer."""
    import torch
    import transformers

    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    model = transformers.BertForTokenClassification.from_pretrained(
        model_dir, num_labels=NUM_LABELS
    ).to(device)
    model.train()
    adam = torch.optim.AdamW(
        model.parameters(), lr=LEARNING_RATE, eps=1e-6, weight_decay=0.01
    )
    labels = np.where(batch["label_ids"] == UNLABELLED, -100, batch["label_ids"])
    inputs = {
        "input_ids": batch["input_ids"],
        "attention_mask": batch["input_mask"],
        "token_type_ids": batch["segment_ids"],
        "labels": labels,
    }
    tensors = {
        name: torch.as_tensor(values, dtype=torch.long, device=device)
        for name, values in inputs.items()
    }

    def run(num_steps: int) -> float:
        start = time.perf_counter()
        for _ in range(num_steps):
            with torch.autocast(device, torch.bfloat16, enabled=is_bfloat16):
                loss = model(**tensors).loss
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            adam.step()
            adam.zero_grad()
        loss.item()
        return time.perf_counter() - start

    return run


def main() -> None:
    """Prints the examples per second of both sides, and their ratio by turns."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--batch_size", type=int, default=32)
    parser.add_argument("--max_seq_length", type=int, default=128)
    parser.add_argument("--steps", type=int, default=3, help="steps per turn")
    parser.add_argument("--turns", type=int, default=5, help="timed turns of each side")
    parser.add_argument("--mixed_precision", choices=("off", "bfloat16"), default="off")
    parser.add_argument("--xla", choices=("auto", "on", "off"), default="auto")
    flags = parser.parse_args()
    vocab_size = EncoderConfig.from_json(flags.model / "config.json").vocab_size
    batch = random_batch(flags.batch_size, flags.max_seq_length, vocab_size)
    device = config.DeviceConfig(mixed_precision=flags.mixed_precision, xla=flags.xla)
    sides = {
        "biobert_tf": ours(flags.model, batch, device),
        "transformers": theirs(flags.model, batch, flags.mixed_precision != "off"),
    }
    for run in sides.values():
        run(2)
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(flags.turns):
        for name, run in sides.items():
            seconds[name].append(run(flags.steps))
    examples = flags.batch_size * flags.steps
    for name, values in seconds.items():
        print(f"{name:13} {examples / statistics.median(values):8.1f} examples/s")
    ratios = [b / a for a, b in zip(*seconds.values(), strict=True)]
    print(
        f"ratio biobert_tf / transformers: {statistics.median(ratios):.2f} "
        f"(min {min(ratios):.2f}, max {max(ratios):.2f}, {flags.turns} turns of "
        f"{flags.steps} steps, batch {flags.batch_size} x {flags.max_seq_length}, "
        f"mixed_precision={flags.mixed_precision})"
    )


if __name__ == "__main__":
    main()
