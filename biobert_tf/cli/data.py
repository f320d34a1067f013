# SPDX-License-Identifier: Apache-2.0
"""The subcommands of `biobert` that make or check data and vocabularies."""

import argparse
import dataclasses
import sys
import typing
from collections.abc import Sequence
from pathlib import Path

from biobert_tf.cli import subcommands
from biobert_tf.common import flags
from biobert_tf.common.comma_lists import FileGlobs
from biobert_tf.common.errors import InputError
from biobert_tf.corpora.settings import WriteCorpusConfig
from biobert_tf.pretraining.data.settings import CreatePretrainingDataConfig
from biobert_tf.relations.settings import RelationFormat


def re_data(argv: Sequence[str]) -> None:
    """Make relation data from annotated documents, or check it."""
    subcommands.call(
        argv,
        {"chemprot": re_data_chemprot, "pairs": re_data_pairs, "check": re_data_check},
    )


def re_data_chemprot(argv: Sequence[str]) -> None:
    """Make train, dev and test files from the official ChemProt release."""
    from biobert_tf.relations import settings

    chemprot_config = flags.parse(settings.ChemProtConfig, argv)
    from biobert_tf.relations import chemprot

    report = chemprot.convert(
        chemprot_config.input, chemprot_config.output, chemprot_config.placeholders
    )
    print(report.summary())


def re_data_pairs(argv: Sequence[str]) -> None:
    """Make a training file from documents with entities and relations."""
    from biobert_tf.relations import settings

    pairs_config = flags.parse(settings.PairsConfig, argv)
    from biobert_tf.documents import formats
    from biobert_tf.relations import writing

    source = pairs_config.input
    kind = formats.with_relations(source, pairs_config.input_format)
    read = formats.read(source, kind)
    counts = writing.write_pairs(
        (loaded.document for loaded in read),
        pairs_config.pair.pairs,
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
        choices=typing.get_args(RelationFormat),
        default="auto",
        help="as in run_re.py",
    )
    parser.add_argument("--json", type=Path, help="also write everything found here")
    parser.add_argument(
        "--strict", action="store_true", help="exit with status 1 if anything is found"
    )
    arguments = parser.parse_args(argv[1:])
    from biobert_tf.common import files
    from biobert_tf.relations import check
    from biobert_tf.relations.sets import SETS

    known = SETS
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


def bioasq_data(argv: Sequence[str]) -> None:
    """Make training and test files from BioASQ's questions."""
    from biobert_tf.qa.bioasq import settings

    data_config = flags.parse(settings.BioAsqDataConfig, argv)
    from biobert_tf.qa.bioasq import conversion

    print(conversion.convert(data_config).summary())


def create_pretraining_data(argv: Sequence[str]) -> None:
    """Convert a corpus to the TFRecords of masked sentence pairs."""
    settings = flags.parse(CreatePretrainingDataConfig, argv)
    from biobert_tf.pretraining.data import runners

    manifest = runners.convert(
        settings.input_file,
        settings.output_file.parts,
        settings.text,
        settings.pairs,
        settings.corpus,
        settings.conversion,
    )
    print(manifest.summary())


def inspect_tfrecord(argv: Sequence[str]) -> None:
    """Show decoded pre-training records, and measure them."""
    parser = argparse.ArgumentParser(prog=argv[0], description=inspect_tfrecord.__doc__)
    parser.add_argument("files", nargs="+", help="TFRecord files or globs")
    parser.add_argument("--vocab_file", type=Path, help="to show pieces, not ids")
    parser.add_argument("--examples", type=int, default=3, help="records to show")
    parser.add_argument(
        "--max_records", type=int, default=0, help="records to measure; 0: all"
    )
    parser.add_argument("--json", type=Path, help="also write the measures here")
    arguments = parser.parse_args(argv[1:])
    from biobert_tf.common import files
    from biobert_tf.pretraining.data import inspection

    found = inspection.inspect(
        FileGlobs.parse(",".join(arguments.files)).files(),
        arguments.vocab_file,
        num_examples=arguments.examples,
        max_records=arguments.max_records,
    )
    print(inspection.report(found), end="")
    if arguments.json is not None:
        files.write_json(arguments.json, dataclasses.asdict(found))


def corpus(argv: Sequence[str]) -> None:
    """Write PubMed and PMC files as text: one sentence per line."""
    settings = flags.parse(WriteCorpusConfig, argv)
    from biobert_tf.corpora import corpus as corpora

    report = corpora.write_corpus(settings.input, settings.output, settings.corpus)
    print(report.summary())


def vocab(argv: Sequence[str]) -> None:
    """Learn, extend or report on a vocabulary."""
    subcommands.call(
        argv, {"learn": vocab_learn, "extend": vocab_extend, "report": vocab_report}
    )


def vocab_learn(argv: Sequence[str]) -> None:
    """Learn a WordPiece vocabulary from a corpus."""
    from biobert_tf.vocabularies import settings

    learn_config = flags.parse(settings.LearnConfig, argv)
    from biobert_tf.vocabularies import learning

    print(learning.learn(learn_config).summary())


def vocab_extend(argv: Sequence[str]) -> None:
    """Add new pieces to a vocabulary and to its model."""
    from biobert_tf.vocabularies import settings

    extend_config = flags.parse(settings.ExtendConfig, argv)
    from biobert_tf.vocabularies import extension

    print(extension.extend(extend_config).summary())


def vocab_report(argv: Sequence[str]) -> None:
    """Report how well vocabularies fit a corpus."""
    from biobert_tf.vocabularies import settings

    report_config = flags.parse(settings.ReportConfig, argv)
    from biobert_tf.vocabularies import report

    print(report.report(report_config), end="")
