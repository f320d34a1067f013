# SPDX-License-Identifier: Apache-2.0
"""The `biobert` command: one subcommand, one function.

The run scripts call the same functions, so `run_ner.py` and `biobert ner` are one.
TensorFlow is imported where it is needed, so that `--help` answers at once.
"""

import argparse
import dataclasses
import sys
import typing
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from biobert_tf import (
    __version__,
    cli_scores,
    config,
    flags,
    pretraining_config,
    program,
    qa_config,
)
from biobert_tf.errors import InputError

Command = Callable[[Sequence[str]], None]

# run_ner.py:76: 10 epochs; the other tasks of the original train for 3.
NER_DEFAULTS = {"num_train_epochs": 10.0}
# run_re.py: every stage must be asked for.
RE_DEFAULTS = {"do_train": False, "do_predict": False}
# run_qa.py: likewise, and longer texts.
QA_DEFAULTS = {**RE_DEFAULTS, "max_seq_length": 384}


def ner(argv: Sequence[str]) -> None:
    """Fine-tune, evaluate and predict named entities."""
    settings = flags.parse(config.NerConfig, argv, NER_DEFAULTS)
    from biobert_tf import ner_run

    _export(settings, ner_run.run(settings))


def re(argv: Sequence[str]) -> None:
    """Fine-tune, evaluate and predict relations, of one set or of folds."""
    settings = flags.parse(config.RelationConfig, argv, RE_DEFAULTS)
    from biobert_tf import re_folds, re_run

    names = re_folds.fold_names(settings.stages.data_dir, settings.folds)
    if names:
        re_folds.run(settings, names, re)
    else:
        _export(settings, re_run.run(settings))


def qa(argv: Sequence[str]) -> None:
    """Fine-tune, predict and score answers to questions."""
    settings = flags.parse(qa_config.QaConfig, argv, QA_DEFAULTS)
    from biobert_tf import qa_run

    _export(settings, qa_run.run(settings))


def annotate(argv: Sequence[str]) -> None:
    """Find the entities of documents of any format."""
    from biobert_tf.annotate import settings

    annotate_config = flags.parse(settings.AnnotateConfig, argv)
    from biobert_tf import annotate_run

    # What is written to standard output must be nothing else.
    print(annotate_run.annotate(annotate_config), file=sys.stderr)


def ask(argv: Sequence[str]) -> None:
    """Ask a trained model a question about texts."""
    from biobert_tf.questions import settings

    ask_config = flags.parse(settings.AskConfig, argv)
    from biobert_tf import qa_ask

    print(qa_ask.ask(ask_config), end="")


def re_data(argv: Sequence[str]) -> None:
    """Make relation data of annotated documents, or check it."""
    _call_subcommand(
        argv,
        {"chemprot": re_data_chemprot, "pairs": re_data_pairs, "check": re_data_check},
    )


def re_data_chemprot(argv: Sequence[str]) -> None:
    """Make train, dev and test files of the official ChemProt release."""
    from biobert_tf.relations import settings

    chemprot_config = flags.parse(settings.ChemProtConfig, argv)
    from biobert_tf.relations import chemprot

    report = chemprot.convert(
        chemprot_config.input, chemprot_config.output, chemprot_config.placeholders
    )
    print(report.summary())


def re_data_pairs(argv: Sequence[str]) -> None:
    """Make a training file of documents with entities and relations."""
    from biobert_tf.relations import settings

    pairs_config = flags.parse(settings.PairsConfig, argv)
    from biobert_tf.annotate import formats
    from biobert_tf.relations import candidates, tsv

    source = pairs_config.input
    kind = formats.with_relations(source, pairs_config.input_format)
    read = formats.read(source, kind)
    counts = tsv.write_pairs(
        (loaded.document for loaded in read),
        candidates.parse_pairs(pairs_config.pair),
        pairs_config.negative_label,
        pairs_config.output,
        pairs_config.placeholders,
    )
    print(counts.summary())


def re_data_check(argv: Sequence[str]) -> None:
    """Look for leaks, contradictions and broken rows in relation data."""
    parser = argparse.ArgumentParser(prog=argv[0], description=re_data_check.__doc__)
    parser.add_argument("data_dir", type=Path, help="a set, or a folder of folds")
    parser.add_argument("--task_name", help="also check the labels, as run_re.py does")
    parser.add_argument(
        "--data_format",
        choices=typing.get_args(config.RelationFormat),
        default="auto",
        help="as in run_re.py",
    )
    parser.add_argument("--json", type=Path, help="also write everything found here")
    parser.add_argument(
        "--strict", action="store_true", help="exit with status 1 if anything is found"
    )
    arguments = parser.parse_args(argv[1:])
    from biobert_tf import files
    from biobert_tf.relations import check
    from biobert_tf.tasks import relation_sets

    known = relation_sets.SETS
    if arguments.task_name not in (None, *known):
        raise InputError(
            f"--task_name={arguments.task_name}: want one of {', '.join(known)}"
        )
    report = check.check(
        arguments.data_dir, arguments.data_format, known.get(arguments.task_name)
    )
    print(report.summary(), end="")
    if arguments.json is not None:
        files.write_json(arguments.json, report.to_dict())
    if arguments.strict and report.num_problems:
        sys.exit(1)


def re_predict(argv: Sequence[str]) -> None:
    """Find the relations of documents with entities."""
    from biobert_tf.relations import settings

    predict_config = flags.parse(settings.RePredictConfig, argv)
    from biobert_tf import re_predict

    print(re_predict.predict(predict_config).text())


def bioasq_data(argv: Sequence[str]) -> None:
    """Make training and test files of BioASQ's questions."""
    from biobert_tf.questions import settings

    data_config = flags.parse(settings.BioAsqDataConfig, argv)
    from biobert_tf.questions import conversion

    print(conversion.convert(data_config).summary())


def pretraining(argv: Sequence[str]) -> None:
    """Convert a corpus to TFRecords, pre-train on them, evaluate."""
    settings = flags.parse(pretraining_config.PretrainingConfig, argv)
    from biobert_tf import pretrain_run

    _export(settings, pretrain_run.run(settings))


def create_pretraining_data(argv: Sequence[str]) -> None:
    """Convert a corpus to the TFRecords of masked sentence pairs."""
    settings = flags.parse(pretraining_config.CreatePretrainingDataConfig, argv)
    from biobert_tf.pretraining_data import runners

    manifest = runners.convert(
        settings.input_file,
        settings.output_file.split(","),
        settings.text,
        settings.pairs,
        settings.corpus,
        settings.conversion,
    )
    print(manifest.summary())


def inspect_tfrecord(argv: Sequence[str]) -> None:
    """Show records of pre-training decoded, and measure them."""
    parser = argparse.ArgumentParser(prog=argv[0], description=inspect_tfrecord.__doc__)
    parser.add_argument("files", nargs="+", help="TFRecord files or globs")
    parser.add_argument("--vocab_file", type=Path, help="to show pieces, not ids")
    parser.add_argument("--examples", type=int, default=3, help="records to show")
    parser.add_argument(
        "--max_records", type=int, default=0, help="records to measure; 0: all"
    )
    parser.add_argument("--json", type=Path, help="also write the measures here")
    arguments = parser.parse_args(argv[1:])
    from biobert_tf import files
    from biobert_tf.corpora import reading
    from biobert_tf.pretraining_data import inspection

    found = inspection.inspect(
        reading.expand(",".join(arguments.files)),
        arguments.vocab_file,
        num_examples=arguments.examples,
        max_records=arguments.max_records,
    )
    print(inspection.report(found), end="")
    if arguments.json is not None:
        files.write_json(arguments.json, dataclasses.asdict(found))


def corpus(argv: Sequence[str]) -> None:
    """Write PubMed and PMC files as text: one sentence per line."""
    settings = flags.parse(pretraining_config.WriteCorpusConfig, argv)
    from biobert_tf.corpora import corpus as corpora

    report = corpora.write_corpus(settings.input, settings.output, settings.corpus)
    print(report.summary())


def vocab(argv: Sequence[str]) -> None:
    """Learn, extend or report on a vocabulary."""
    _call_subcommand(
        argv, {"learn": vocab_learn, "extend": vocab_extend, "report": vocab_report}
    )


def vocab_learn(argv: Sequence[str]) -> None:
    """Learn a WordPiece vocabulary from a corpus."""
    from biobert_tf.vocabularies import settings

    learn_config = flags.parse(settings.LearnConfig, argv)
    from biobert_tf.vocabularies import learning

    print(learning.learn(learn_config).summary())


def vocab_extend(argv: Sequence[str]) -> None:
    """Give new pieces to a vocabulary and to its model."""
    from biobert_tf.vocabularies import settings

    extend_config = flags.parse(settings.ExtendConfig, argv)
    from biobert_tf.vocabularies import extension

    print(extension.extend(extend_config).summary())


def vocab_report(argv: Sequence[str]) -> None:
    """Say how well vocabularies fit a corpus."""
    from biobert_tf.vocabularies import settings

    report_config = flags.parse(settings.ReportConfig, argv)
    from biobert_tf.vocabularies import report

    print(report.report(report_config), end="")


def extract_features(argv: Sequence[str]) -> None:
    """Write the vectors of texts: of every piece or word, or one of each text."""
    from biobert_tf.features import settings

    features_config = flags.parse(settings.ExtractFeaturesConfig, argv)
    from biobert_tf import extract_features

    summary = extract_features.run(features_config)
    is_printed = features_config.is_printed
    print(summary.text(), file=sys.stderr if is_printed else sys.stdout)


def demo(argv: Sequence[str]) -> None:
    """Fine-tune a tiny model on a built-in corpus, score it, use it on new text."""
    parser = argparse.ArgumentParser(prog=argv[0], description=demo.__doc__)
    parser.add_argument("--output_dir", type=Path, default=Path("runs/demo"))
    parser.add_argument("--task", choices=("ner", "re"), default="ner")
    arguments = parser.parse_args(argv[1:])
    from biobert_tf import demos

    run = {"ner": demos.ner, "re": demos.relations}[arguments.task]
    run(arguments.output_dir)


def export(argv: Sequence[str]) -> None:
    """Write a trained model as a SavedModel: text in, to be served."""
    from biobert_tf.export import settings

    export_config = flags.parse(settings.ExportConfig, argv)
    from biobert_tf.export import exporting

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
        from biobert_tf.export import exporting

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
    "re-eval": cli_scores.re_eval,
    "re-data": re_data,
    "re-predict": re_predict,
    "bioasq-data": bioasq_data,
    "pretraining": pretraining,
    "corpus": corpus,
    "create-pretraining-data": create_pretraining_data,
    "inspect-tfrecord": inspect_tfrecord,
    "vocab": vocab,
    "extract-features": extract_features,
    "export": export,
    "convert": convert,
    "conlleval": cli_scores.conlleval,
    "squad-eval": cli_scores.squad_eval,
    "bioasq-eval": cli_scores.bioasq_eval,
    "demo": demo,
}


def main(argv: Sequence[str]) -> None:
    """Calls the function of a subcommand, or lists them."""
    if argv[1:2] == ["--version"]:
        print(__version__)
    else:
        _call_subcommand(["biobert", *argv[1:]], _COMMANDS)


def _call_subcommand(argv: Sequence[str], commands: Mapping[str, Command]) -> None:
    """Calls the command that the first argument names, or lists them."""
    program_name, *words = argv
    name = words[0] if words else "--help"
    if name in ("--help", "-h"):
        print(
            f"usage: {program_name} COMMAND ...; {program_name} COMMAND --help tells "
            "more\n"
        )
        for command, function in commands.items():
            print(f"  {command:24} {(function.__doc__ or '').splitlines()[0]}")
    elif name in commands:
        commands[name]([f"{program_name} {name}", *words[1:]])
    else:
        raise InputError(f"no command {name!r}; known: {', '.join(commands)}")


def console() -> int:
    """Runs `biobert`; the entry point that setup.py installs."""
    return program.run(main, sys.argv)
