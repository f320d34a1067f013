# SPDX-License-Identifier: Apache-2.0
"""What `run_ner.py` does: NER settings and files into a `finetune.Run`."""

import dataclasses
import logging
import re
import shlex
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from biobert_tf import config, files, finetune, flags, records, released
from biobert_tf import demo as demo_corpus
from biobert_tf.config import NerConfig
from biobert_tf.errors import InputError
from biobert_tf.tasks import ner, ner_reading
from biobert_tf.tasks.ner_reading import NerExample
from biobert_tf.training.estimator import Estimator

_LOG = logging.getLogger(__name__)


def run(settings: NerConfig) -> tuple[ner.NerTask, Estimator]:
    """Runs one NER experiment; returns its parts for more predictions.

    Raises:
        InputError: Something given cannot be used.
        TrainingDivergedError: The loss became NaN or infinite.
    """
    parts = released.load(settings.text, settings.model, settings.stages.output_dir)
    data = read_data(settings)
    task = ner.NerTask(
        tokenizer=parts.tokenizer,
        labels=_labels(settings, data),
        max_seq_length=settings.text.max_seq_length,
        compat=settings.compat,
    )
    _check_labels(task, settings, data)
    _announce(settings)
    estimator = finetune.Run(
        task=task,
        data=data,
        parts=parts,
        stages=settings.stages,
        run=settings.run,
        finetuning=settings.finetuning,
        device=settings.device,
        # PARITY(run_ner.py:main): GPU runs of the original gather the word embeddings.
        row_norm="summed" if settings.compat == "fixed" else "unsummed",
        settings=config.to_dict(settings),
    ).execute()
    return task, estimator


def _announce(settings: NerConfig) -> None:
    if settings.compat == "paper":
        _LOG.warning(
            "--compat=paper: sentences of more than 30 words are cut at gold O labels, "
            "on the test file too, as in the paper's code; its scores are flattered"
        )
    sees_devel = settings.stages.do_train and settings.train_on == "train_dev"
    if sees_devel and settings.stages.do_eval:
        _LOG.warning(
            "the development file is part of the training data; use "
            "--train_on=train to choose settings on it"
        )


# --- files -------------------------------------------------------------------------


def read_data(settings: NerConfig) -> finetune.Data:
    """Reads the files of the stages to run: `train_dev`, `devel` and `test` `.tsv`.

    Raises:
        InputError: A file is missing or malformed.
    """
    stages = settings.stages
    if not stages.data_dir.is_dir():
        raise InputError(f"--data_dir={stages.data_dir}: no such directory")

    def read(name: str, needs_labels: bool) -> list[NerExample]:
        path = stages.data_dir / name
        if not path.is_file():
            raise InputError.at(path, None, _missing(stages.data_dir))
        return ner_reading.read_examples(path, settings.compat, needs_labels)

    return finetune.Data(
        train=_read_train(settings) if stages.do_train else None,
        devel=read("devel.tsv", needs_labels=True) if stages.do_eval else None,
        test=read("test.tsv", needs_labels=False) if stages.do_predict else None,
    )


def _missing(data_dir: Path) -> str:
    held = sorted(path.name for path in data_dir.glob("*.tsv"))
    return f"no such file; {data_dir} holds {', '.join(held) or 'no .tsv file'}"


def _read_train(settings: NerConfig) -> list[NerExample]:
    directory = settings.stages.data_dir
    names = ["train_dev.tsv"] if settings.train_on == "train_dev" else ["train.tsv"]
    if names == ["train_dev.tsv"] and not (directory / names[0]).is_file():
        # What the original's train_dev.tsv is, where nobody has made the file.
        names = ["train.tsv", "devel.tsv"]
    examples = []
    for name in names:
        if not (directory / name).is_file():
            raise InputError.at(directory / name, None, _missing(directory))
        examples += ner_reading.read_examples(
            directory / name, settings.compat, needs_labels=True
        )
    return examples


# --- labels ------------------------------------------------------------------------


def _labels(settings: NerConfig, data: finetune.Data) -> tuple[str, ...]:
    """Returns the labels of the training data, or of the model that is given."""
    output_dir, checkpoint = settings.stages.output_dir, settings.model.init_checkpoint
    if settings.compat != "fixed" or data.train is not None:
        labels = ner_reading.label_list(data.train or (), settings.compat)
        if released.load_labels([output_dir]) not in (None, labels):
            raise InputError(
                f"--output_dir={output_dir} holds a model with other labels than the "
                f"{' '.join(labels)} of this run; choose another, or delete this one"
            )
        return labels
    known = released.load_labels([output_dir, checkpoint])
    if known is None and checkpoint is None:
        raise InputError(
            f"--output_dir={output_dir} holds no trained model, and there is no "
            "--init_checkpoint to predict with; set --do_train=true"
        )
    if known is None:
        raise InputError(
            "the model's labels are unknown: there is no labels.json beside the "
            'checkpoint; add one, {"labels": ["O", "B", "I"]} in the order of '
            "the ids, or set --do_train=true"
        )
    ner_reading.require_bio(known)
    return known


def _check_labels(task: ner.NerTask, settings: NerConfig, data: finetune.Data) -> None:
    """Looks for labels the model cannot predict.

    After training here they are a fact of the data: a warning, and they count as
    missed. Against a model that was trained elsewhere they mean a wrong file.
    """
    for name, examples in (("devel.tsv", data.devel), ("test.tsv", data.test)):
        path = settings.stages.data_dir / name
        unknown = [
            (example.line + offset, label)
            for example in examples or ()
            for offset, label in enumerate(example.labels or ())
            if label not in task.labels
        ]
        if not unknown:
            continue
        line, label = unknown[0]
        if data.train is None:
            raise InputError.at(
                path,
                line,
                f"label {label!r} is unknown to the model, which has "
                f"{' '.join(task.labels)}; remove the labels to predict only",
            )
        _LOG.warning(
            "%s: %d labels are not in the training data (%s, first at line %d); their "
            "entities count as missed",
            path,
            len(unknown),
            ", ".join(sorted({label for _, label in unknown})),
            line,
        )


# --- annotating and the demo -------------------------------------------------------


_WORD: Final = re.compile(r"\w+(?:[-'./]\w+)*|[^\w\s]")


def annotate(
    task: ner.NerTask, estimator: Estimator, sentences: Sequence[str], batch_size: int
) -> list[tuple[NerExample, ner.NerPrediction]]:
    """Finds the entities of raw sentences.

    A word is a run of letters and digits, also with a hyphen, apostrophe, dot or
    slash inside; any other sign is a word of its own.

    Args:
        task: That the estimator was built from.
        estimator: With trained weights.
        sentences: Plain text, one sentence each.
        batch_size: Sentences per step.
    """
    examples = [NerExample(tuple(_WORD.findall(text)), None) for text in sentences]
    rows = task.featurize(examples)
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "annotate.tf_record"
        records.write(path, (row.features for row in rows), task.specs)
        arrays = estimator.predict([path], batch_size)
    predictions = task.decode(examples, rows, arrays)
    return list(zip(examples, predictions, strict=True))


_DEMO_MARK: Final = "made-by-biobert-demo"


def demo(output_dir: Path) -> None:
    """Fine-tunes a tiny BERT on the built-in corpus, scores and uses it.

    Args:
        output_dir: Made anew: a demo that was here before is deleted.

    Raises:
        InputError: The directory exists and is not a demo's.
    """
    if output_dir.exists():
        if not (output_dir / _DEMO_MARK).exists():
            raise InputError(f"{output_dir} exists and is no demo; choose another")
        shutil.rmtree(output_dir)
    files.write_text(output_dir / _DEMO_MARK, "")
    data_dir, config_file = output_dir / "data", output_dir / "bert_config.json"
    demo_corpus.write_corpus(data_dir, demo_corpus.SEED)
    files.write_json(config_file, dataclasses.asdict(demo_corpus.ENCODER))
    arguments = {
        "data_dir": data_dir,
        "output_dir": output_dir / "model",
        "bert_config_file": config_file,
        "vocab_file": demo_corpus.vocab_file(),
        "max_seq_length": 48,
        "learning_rate": 3e-3,
        "num_train_epochs": 12,
    }
    words = ["python", "run_ner.py", *(f"--{k}={v}" for k, v in arguments.items())]
    print("The demo is this command:\n\n  " + shlex.join(words) + "\n")
    task, estimator = run(flags.parse(NerConfig, words[1:]))
    print(f"\nraw sentence\n{demo_corpus.RAW_SENTENCE}\nentities found in it")
    [(example, prediction)] = annotate(task, estimator, [demo_corpus.RAW_SENTENCE], 8)
    for entity in prediction.entities:
        text = " ".join(example.words[entity.start : entity.end])
        print(f"  {entity.type:10} {entity.probability:.3f}  {text}")
