# SPDX-License-Identifier: Apache-2.0
"""Predicts the records of pairs on several machines, as a pipeline of Apache Beam.

The launcher reads and writes the documents. A shard holds records that one machine
sorts by length together, so batches, and so probabilities, are the same. The launcher
and the workers exchange files in a folder beside the output, which goes at the end:

    rows/00007       the records of a shard
    found/00007      their probabilities; a shard with this file is not predicted again
    error            the first error

Where it is not said otherwise, a file is a pickled Python object. `annotate_beam` says
why this is not Beam's `RunInference`.
"""

import dataclasses
import functools
import itertools
import logging
import threading
import uuid
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final

import numpy as np

from biobert_tf.checkpoints import hub
from biobert_tf.common import beam_storage
from biobert_tf.common.beam_runner import Runner
from biobert_tf.common.beam_work import Work
from biobert_tf.common.settings import DeviceConfig
from biobert_tf.relations.settings import RePredictConfig
from biobert_tf.relations.task import RelationTask
from biobert_tf.training import inference
from biobert_tf.training.estimator import Estimator
from biobert_tf.training.finetune import Finished
from biobert_tf.training.records import Features

_LOG = logging.getLogger(__name__)

# A shard has the rows of so many sorted runs, some thousand pairs.
_RUNS: Final = 8
_loading: Final = threading.Lock()


Load = Callable[[Path, DeviceConfig], Finished[RelationTask]]
"""A function of a module that loads the model in a directory."""


@dataclasses.dataclass(frozen=True)
class _Work(Work):
    """What every step gets; all machines can reach the absolute path of the model."""

    load: Load
    model: Path
    device: DeviceConfig
    batch_size: int


def predict_rows(
    settings: RePredictConfig, rows: Iterable[Features], load: Load
) -> Iterator[dict[str, np.ndarray]]:
    """Yields what `Estimator.predict_rows` yields for the same rows.

    Raises:
        InputError: The runner cannot be used, or it failed.
    """
    runner = Runner.of(settings.beam.runner, settings.beam.pipeline_options.words)
    output, batch_size = settings.output.absolute(), settings.predict_batch_size
    folder = output.with_name(f".{output.name}.beam-{uuid.uuid4().hex[:8]}")
    model = hub.opened(settings.model).resolve()
    work = _Work(str(folder), load, model, settings.device, batch_size)
    size = _RUNS * inference.BATCHES_SORTED * batch_size
    remaining = iter(rows)
    try:
        numbers: list[int] = []
        while held := list(itertools.islice(remaining, size)):
            numbers.append(len(numbers))
            beam_storage.put_object(held, work.place("rows", numbers[-1]))
        _LOG.info("predicting %d shards", len(numbers))
        runner.run(work, numbers, _predict_shard)
        for number in numbers:
            yield from beam_storage.get_object(work.place("found", number))
    finally:
        beam_storage.delete(str(folder))


def _predict_shard(work: _Work, number: int) -> Iterator[int]:
    """Stores the predictions of a shard's rows; yields the shard's number."""
    target = work.place("found", number)
    if not beam_storage.find(target):
        rows = beam_storage.get_object(work.place("rows", number))
        with _loading:
            estimator = _estimator(work.load, work.model, work.device)
        found = list(estimator.predict_rows(rows, work.batch_size))
        beam_storage.put_object(found, target)
    yield number


@functools.lru_cache(maxsize=1)
def _estimator(load: Load, model: Path, device: DeviceConfig) -> Estimator:
    """Returns the model, which a process loads once."""
    return load(model, device).estimator
