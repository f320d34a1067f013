# SPDX-License-Identifier: Apache-2.0
"""Transformers on PyTorch, as its own examples use it."""

import functools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
import transformers

from benchmarks.peers import rows as sides
from benchmarks.peers.rows import Batch, Prepared

IGNORED: Final = -100
LENGTH: Final = 128
BATCH_SIZE: Final = 32
DTYPES: Final = {"float32": torch.float32, "bfloat16": torch.bfloat16}

torch.set_num_threads(sides.NUM_CORES)


def load(folder: Path, dtype: torch.dtype = torch.float32) -> Any:
    """Returns the model that all sides use."""
    return transformers.BertForTokenClassification.from_pretrained(
        folder / "model", dtype=dtype
    )


def training(folder: Path, batches: str, dtype: str) -> Prepared:
    """Trains on all rows once, with the step of Transformers' Trainer.

    `batches` are `padded` to 128, `dynamic`: padded to their longest row, or `sorted`:
    made of rows of similar length, and padded to their longest.
    """
    rows = sides.read(folder, "training")
    model = load(folder).train()
    adam = torch.optim.AdamW(
        model.parameters(), lr=1e-5, eps=1e-6, weight_decay=0.01, fused=True
    )
    rng = np.random.default_rng(0)

    def steps(number: int | None) -> None:
        for numbers in list(_grouped(rows, batches, rng))[:number]:
            some = [rows[i] for i in numbers]
            tensors = _labelled(some, LENGTH if batches == "padded" else 0)
            with torch.autocast("cpu", torch.bfloat16, enabled=dtype == "bfloat16"):
                loss = model(**tensors).loss
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            adam.step()
            adam.zero_grad()
            loss.item()

    steps(2)
    return Prepared(lambda: steps(None))


def _grouped(
    rows: Sequence[Any], batches: str, rng: np.random.Generator
) -> Iterator[Sequence[int]]:
    """Yields the numbers of the rows of every batch of an epoch; all are full."""
    full = len(rows) - len(rows) % BATCH_SIZE
    order = rng.permutation(len(rows))[:full].tolist()
    if batches == "sorted":
        order.sort(key=lambda i: len(rows[i]["input_ids"]))
    parts = [order[i : i + BATCH_SIZE] for i in range(0, full, BATCH_SIZE)]
    yield from (parts[i] for i in rng.permutation(len(parts)))


def _labelled(rows: Sequence[Any], length: int) -> dict[str, torch.Tensor]:
    batch = sides.batch_of([row["input_ids"] for row in rows], length)
    labels = sides.padded([row["label_ids"] for row in rows], length, IGNORED)
    batch["labels"] = np.where(labels < 0, IGNORED, labels)
    return {name: torch.from_numpy(values) for name, values in batch.items()}


def prediction(folder: Path, dtype: str) -> Prepared:
    """Predicts all rows in batches of similar length."""
    model = load(folder, DTYPES[dtype]).eval()

    @torch.inference_mode()
    def scores(batch: Batch) -> np.ndarray:
        tensors = {name: torch.from_numpy(values) for name, values in batch.items()}
        return model(**tensors).logits.float().numpy()

    return sides.prediction(folder, scores)


def annotate(folder: Path, dtype: str) -> Prepared:
    """Annotates the documents with the pipeline, sorted, at its best batch size."""
    pipeline = transformers.pipeline(
        "token-classification",
        model=str(folder / "model"),
        aggregation_strategy="simple",
        dtype=DTYPES[dtype],
    )
    texts = sides.read(folder, "documents")

    def entities(some: Sequence[str], size: int) -> int:
        ordered = [some[i] for i in sides.longest_first(some)]
        return sum(map(len, pipeline(ordered, batch_size=size)))

    size = sides.best_size(functools.partial(entities, texts[::4]), (1, 4, 8, 16))
    notes = {"batch_size": size, "entities": entities(texts, size)}
    return Prepared(lambda: entities(texts, size), (), notes)
