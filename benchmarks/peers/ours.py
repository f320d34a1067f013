# SPDX-License-Identifier: Apache-2.0
"""The package's own sides, on the paths that its commands take.

`given` are flags of the commands, such as `--mixed_precision=bfloat16`.
"""

import os
from collections.abc import Sequence
from pathlib import Path

import tensorflow as tf

import biobert_tf
from benchmarks.peers import rows as sides
from benchmarks.peers.rows import Prepared
from biobert_tf import checkpoints
from biobert_tf.checkpoints import released
from biobert_tf.common import flags
from biobert_tf.common.settings import DeviceConfig
from biobert_tf.ner import reading, run
from biobert_tf.ner.problem import NER
from biobert_tf.ner.settings import NerConfig
from biobert_tf.ner.task import NerTask
from biobert_tf.training import optimizer, records
from biobert_tf.training import strategy as strategies
from biobert_tf.training.estimator import Estimator
from biobert_tf.training.records import Features
from biobert_tf.training.trainer import Trainer


def training(folder: Path, given: Sequence[str] = ()) -> Prepared:
    """Trains on all rows once, with the trainer of `biobert ner`."""
    settings = flags.parse(
        NerConfig,
        [
            "ner",
            f"--data_dir={folder / 'training'}",
            f"--output_dir={folder / f'training-{os.getpid()}'}",
            f"--init_checkpoint={folder / 'model'}",
            *("--do_train", "--do_predict=false", "--train_on=train", *given),
        ],
        NER.defaults,
        NER.of_model,
    )
    parts = released.load(settings.text, settings.model, None)
    examples = run.read_data(settings).train or ()
    labels = released.load_labels([folder / "model"]) or ()
    task = NerTask(parts.tokenizer, labels, settings.text.max_seq_length, "fixed")
    strategy = strategies.build_strategy(settings.device)
    strategies.make_repeatable()
    estimator = Estimator(
        task,
        parts.encoder_config,
        strategy=strategy,
        device=settings.device,
        run=settings.run,
        model_dir=settings.stages.output_dir,
    )
    estimator.initialize(checkpoints.locate(folder / "model").read(), task.new_head)
    rows = task.featurize(examples)
    path = settings.stages.output_dir / "train.tf_record"
    path.parent.mkdir()
    records.write(path, (row.features for row in rows), task.specs)
    size = settings.run.train_batch_size
    num_steps = len(rows) // size
    data = estimator.pack(
        records.shuffled(
            [path], task.specs, shuffle_buffer=len(rows), seed=settings.run.seed
        ),
        num_steps,
    )
    with strategy.scope():
        rates = optimizer.LinearWarmupDecay(1e-5, 10**6, 0)
        variables = estimator.model.trainable_variables
        trainer = Trainer(
            task,
            estimator.model,
            optimizer.build("adamw", rates, variables),
            data.batches(records.InputPipeline(size), 0),
            seed=settings.run.seed,
            max_loop_steps=1000,
            xla=strategies.uses_xla(settings.device, strategy),
        )

    def steps(number: int) -> None:
        with strategy.scope():
            trainer.train(tf.constant(number))

    steps(2)
    return Prepared(lambda: steps(num_steps), (), estimator.texts)


def prediction(folder: Path, given: Sequence[str] = ()) -> Prepared:
    """Labels the rows as the stage that predicts does, at its best batch size."""
    device = flags.parse(DeviceConfig, ["predict", *given])
    loaded = NER.load(folder / "model", device)
    task = NerTask.of(loaded)
    estimator = loaded.estimator(task)
    path = folder / "ner" / "test.tsv"
    examples = reading.read_examples(path, "fixed", needs_labels=True)
    found = task.featurize(examples)
    rows = [record.features for record in found]

    def labels(some: Sequence[Features], size: int) -> list[int]:
        outputs = estimator.predict_rows(some, size, total=len(some))
        best = (output["log_probs"].argmax(-1) for output in outputs)
        held = zip(best, some, strict=True)
        return [i for own, row in held for i in own[: sum(row["input_mask"])].tolist()]

    size = sides.best_size(lambda size: labels(rows[::4], size))
    notes = {"batch_size": size, "rows": len(rows), "pieces": 0}
    answer = labels(rows, size)
    notes["pieces"] = len(answer)
    return Prepared(lambda: labels(rows, size), answer, notes)


def annotate(folder: Path, given: Sequence[str] = ()) -> Prepared:
    """Annotates the documents as Python code does."""
    device = flags.parse(DeviceConfig, ["annotate", *given])
    model = biobert_tf.load(folder / "model", device=device)
    texts = sides.read(folder, "documents")

    def entities() -> int:
        return sum(map(len, model.annotate(texts)))

    return Prepared(entities, (), {"entities": entities()})
