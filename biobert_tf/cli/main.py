# SPDX-License-Identifier: Apache-2.0
"""The `biobert` command: one subcommand, one function.

The run scripts call the same functions, so `run_ner.py` and `biobert ner` are one.
TensorFlow is imported where it is needed, so that `--help` answers at once.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from biobert_tf.cli import data, scores, subcommands
from biobert_tf.cli.subcommands import Command
from biobert_tf.common import flags, program
from biobert_tf.common.version import __version__
from biobert_tf.ner.settings import NerConfig
from biobert_tf.pretraining import settings as pretraining_config
from biobert_tf.qa import settings as qa_config
from biobert_tf.relations.settings import RelationConfig

# run_ner.py:80: 10 epochs; the other tasks of the original train for 3.
NER_DEFAULTS = {"num_train_epochs": 10.0}
# run_re.py:70-76: every stage must be asked for.
RE_DEFAULTS = {"do_train": False, "do_predict": False}
# run_qa.py:66-84: likewise, and longer texts.
QA_DEFAULTS = {**RE_DEFAULTS, "max_seq_length": 384}


def ner(argv: Sequence[str]) -> None:
    """Fine-tune, evaluate and predict named entities."""
    settings = flags.parse(NerConfig, argv, NER_DEFAULTS)
    from biobert_tf.ner import run as ner_run

    _export(settings, ner_run.run(settings))


def re(argv: Sequence[str]) -> None:
    """Fine-tune, evaluate and predict relations, of one set or of folds."""
    settings = flags.parse(RelationConfig, argv, RE_DEFAULTS)
    from biobert_tf.relations import folds as re_folds
    from biobert_tf.relations import run as re_run

    names = re_folds.fold_names(settings.stages.data_dir, settings.folds)
    if names:
        re_folds.run(settings, names, re)
    else:
        _export(settings, re_run.run(settings))


def qa(argv: Sequence[str]) -> None:
    """Fine-tune, predict and score answers to questions."""
    settings = flags.parse(qa_config.QaConfig, argv, QA_DEFAULTS)
    from biobert_tf.qa import run as qa_run

    _export(settings, qa_run.run(settings))


def annotate(argv: Sequence[str]) -> None:
    """Find the entities of documents of any format."""
    from biobert_tf.ner import settings

    annotate_config = flags.parse(settings.AnnotateConfig, argv)
    from biobert_tf.ner import annotate as annotate_run

    # What is written to standard output must be nothing else.
    print(annotate_run.annotate(annotate_config), file=sys.stderr)


def ask(argv: Sequence[str]) -> None:
    """Ask a trained model a question about texts."""
    from biobert_tf.qa.settings import AskConfig

    ask_config = flags.parse(AskConfig, argv)
    from biobert_tf.qa import ask as qa_ask

    print(qa_ask.ask(ask_config), end="")


def re_predict(argv: Sequence[str]) -> None:
    """Find the relations of documents with entities."""
    from biobert_tf.relations import settings

    predict_config = flags.parse(settings.RePredictConfig, argv)
    from biobert_tf.relations import predict as re_predict

    print(re_predict.predict(predict_config).text())


def pretraining(argv: Sequence[str]) -> None:
    """Convert a corpus to TFRecords, pre-train on them, evaluate."""
    settings = flags.parse(pretraining_config.PretrainingConfig, argv)
    from biobert_tf.pretraining import run as pretrain_run

    _export(settings, pretrain_run.run(settings))


def extract_features(argv: Sequence[str]) -> None:
    """Write the vectors of texts: of every piece or word, or one of each text."""
    from biobert_tf.embeddings import settings

    features_config = flags.parse(settings.ExtractFeaturesConfig, argv)
    from biobert_tf.embeddings import run as extract_features

    summary = extract_features.run(features_config)
    is_printed = features_config.is_printed
    print(summary.text(), file=sys.stderr if is_printed else sys.stdout)


def demo(argv: Sequence[str]) -> None:
    """Fine-tune a tiny model on a built-in corpus, score it, use it on new text."""
    parser = argparse.ArgumentParser(prog=argv[0], description=demo.__doc__)
    parser.add_argument("--output_dir", type=Path, default=Path("runs/demo"))
    parser.add_argument("--task", choices=("ner", "re", "qa"), default="ner")
    arguments = parser.parse_args(argv[1:])
    from biobert_tf.demo import run as demos

    runs = {"ner": demos.ner, "re": demos.relations, "qa": demos.qa}
    runs[arguments.task](arguments.output_dir)


def export(argv: Sequence[str]) -> None:
    """Write a trained model as a SavedModel: text in, to be served."""
    from biobert_tf.export import settings

    export_config = flags.parse(settings.ExportConfig, argv)
    from biobert_tf import exporting

    print(f"wrote {exporting.export(export_config)}")


def _export(settings: Any, outcome: Any) -> None:
    """Exports the model of a run, if its settings say so; one worker writes.

    Args:
        settings: Of the script.
        outcome: Of its run: the estimator, or a pair that ends with it.
    """
    if not settings.stages.do_export:
        return
    estimator = outcome[-1] if isinstance(outcome, tuple) else outcome
    if estimator.is_chief:
        from biobert_tf import exporting

        print(f"wrote {exporting.export_run(settings)}")


def convert(argv: Sequence[str]) -> None:
    """Convert weights between TF1 and Hugging Face formats, or from a SavedModel."""
    parser = argparse.ArgumentParser(prog=argv[0], description=convert.__doc__)
    parser.add_argument("--from", dest="source", type=Path, required=True)
    parser.add_argument("--to", dest="target", type=Path, required=True)
    parser.add_argument(
        "--to_format",
        choices=("auto", "tf1", "huggingface", "saved_model"),
        default="auto",
        help="auto: tf1 if --to ends in .ckpt or .ckpt-N; saved_model: says how",
    )
    parser.add_argument("--bert_config_file", type=Path)
    parser.add_argument("--vocab_file", type=Path)
    parser.add_argument("--do_lower_case", choices=("true", "false"))
    parser.add_argument(
        "--classifier",
        choices=("auto", "token", "sequence"),
        default="auto",
        help="what output_weights label, for Transformers",
    )
    arguments = parser.parse_args(argv[1:])
    from biobert_tf.checkpoints import convert as conversion

    spoken = {"true": True, "false": False, None: None}
    print(
        conversion.convert(
            arguments.source,
            arguments.target,
            to_format=arguments.to_format,
            bert_config_file=arguments.bert_config_file,
            vocab_file=arguments.vocab_file,
            do_lower_case=spoken[arguments.do_lower_case],
            classifier=arguments.classifier,
        )
    )


_COMMANDS: Final[Mapping[str, Command]] = {
    "ner": ner,
    "re": re,
    "qa": qa,
    "ask": ask,
    "annotate": annotate,
    "re-eval": scores.re_eval,
    "re-data": data.re_data,
    "re-predict": re_predict,
    "bioasq-data": data.bioasq_data,
    "pretraining": pretraining,
    "corpus": data.corpus,
    "create-pretraining-data": data.create_pretraining_data,
    "inspect-tfrecord": data.inspect_tfrecord,
    "vocab": data.vocab,
    "extract-features": extract_features,
    "export": export,
    "convert": convert,
    "conlleval": scores.conlleval,
    "squad-eval": scores.squad_eval,
    "bioasq-eval": scores.bioasq_eval,
    "demo": demo,
}


def main(argv: Sequence[str]) -> None:
    """Calls the function of a subcommand, or lists them."""
    if argv[1:2] == ["--version"]:
        print(__version__)
    else:
        subcommands.call(["biobert", *argv[1:]], _COMMANDS)


def console() -> int:
    """Runs `biobert`; the entry point that setup.py installs."""
    return program.run(main, sys.argv)
