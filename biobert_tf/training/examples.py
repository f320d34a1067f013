# SPDX-License-Identifier: Apache-2.0
"""Logs the first examples of a stage as the model gets them, for `--log_examples`."""

import itertools
import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import numpy as np

from biobert_tf.training.records import Features

_LOG = logging.getLogger(__name__)

# The names under which ids are shown as text, by feature.
_PIECES: Final = {"input_ids": "tokens", "masked_lm_ids": "masked_lm_tokens"}


def log(
    stage: str,
    rows: Iterable[Features],
    number: int,
    names: Iterable[str],
    pieces: Mapping[int, str],
    labels: Sequence[str] = (),
) -> None:
    """Logs the features of these names of the first rows, as the original does.

    The ids of pieces and labels are shown as text too, without the padding.

    Args:
        stage: What the rows are for, such as `train`.
        rows: The features of records, by name.
        number: How many rows to log.
        names: The features of the task.
        pieces: The piece of each id; if it is empty, pieces are not shown as text.
        labels: The labels of `label_ids`; the position of a label is its id. A negative
            id is none.
    """
    wanted = list(names)
    for i, row in enumerate(itertools.islice(rows, number), start=1):
        _LOG.info("*** Example %d of %s ***", i, stage)
        for line in _lines({name: row[name] for name in wanted}, pieces, labels):
            _LOG.info("%s", line)


def _lines(
    row: Features, pieces: Mapping[int, str], labels: Sequence[str]
) -> Iterable[str]:
    arrays = {name: np.asarray(values) for name, values in row.items()}
    num_pieces = int(arrays["input_mask"].sum())
    for name, ids in arrays.items():
        if name in _PIECES and pieces:
            weights = arrays.get("masked_lm_weights", ids)
            kept = ids[:num_pieces] if name == "input_ids" else ids[weights > 0]
            yield f"{_PIECES[name]}: {' '.join(pieces[id_] for id_ in kept.tolist())}"
        yield f"{name}: {' '.join(map(str, ids.tolist()))}"
        if name == "end_positions" and pieces:
            first, last = arrays["start_positions"].item(), ids.item()
            answer = arrays["input_ids"][first : last + 1].tolist()
            yield f"answer: {' '.join(pieces[id_] for id_ in answer)}"
        if name == "label_ids" and labels:
            shown = (labels[id_] if id_ >= 0 else "-" for id_ in ids[:num_pieces])
            yield f"labels: {' '.join(shown)}"
