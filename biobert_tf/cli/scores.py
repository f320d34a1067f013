# SPDX-License-Identifier: Apache-2.0
"""The subcommands of `biobert` that score files of predictions."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from biobert_tf.common import flags
from biobert_tf.common.errors import InputError
from biobert_tf.relations.settings import ReEvalConfig


def conlleval(argv: Sequence[str]) -> None:
    """Score a file of `word gold predicted` lines as conlleval.pl does."""
    parser = argparse.ArgumentParser(prog=argv[0], description=conlleval.__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("-d", dest="delimiter", default=" ", help="column separator")
    arguments = parser.parse_args(argv[1:])
    from biobert_tf.ner import conlleval as metric

    print(metric.report_file(arguments.file, arguments.delimiter), end="")


def squad_eval(argv: Sequence[str]) -> None:
    """Score answers to SQuAD as its official script does."""
    parser = argparse.ArgumentParser(prog=argv[0], description=squad_eval.__doc__)
    parser.add_argument("data", type=Path, help="the set, as dev-v1.1.json")
    parser.add_argument("predictions", type=Path, help="question id -> text, JSON")
    parser.add_argument("--null_odds", type=Path, help="question id -> odds, for v2")
    parser.add_argument(
        "--threshold", type=float, default=1.0, help="odds above this mean no answer"
    )
    arguments = parser.parse_args(argv[1:])
    from biobert_tf.qa import squad_scores

    print(squad_scores.report(squad_scores.evaluate(**vars(arguments))), end="")


def re_eval(argv: Sequence[str]) -> None:
    """Score a file of relation probabilities as re_eval.py does."""
    config = flags.parse(ReEvalConfig, argv)
    from biobert_tf.relations import scores as relations

    scores = relations.evaluate(
        config.output_path, config.answer_path, config.task, config.data_format
    )
    print(relations.report(scores), end="")


def bioasq_eval(argv: Sequence[str]) -> None:
    """Score answers to BioASQ task b, phase B, as the official program does."""
    from biobert_tf.qa.bioasq import answers as bioasq_answers
    from biobert_tf.qa.bioasq import scores as bioasq

    parser = argparse.ArgumentParser(prog=argv[0], description=bioasq_eval.__doc__)
    parser.add_argument(
        "files",
        nargs="+",
        type=Path,
        metavar="GOLDEN SUBMISSION",
        help="files of one or more batches; scores are averaged over all questions",
    )
    parser.add_argument(
        "--edition", type=int, choices=bioasq_answers.EDITIONS, default=5
    )
    parser.add_argument(
        "--types",
        nargs="+",
        choices=bioasq_answers.TYPES,
        default=bioasq_answers.TYPES,
        help="questions to score",
    )
    arguments = parser.parse_args(argv[1:])
    golden, submissions = arguments.files[::2], arguments.files[1::2]
    if len(golden) != len(submissions):
        raise InputError(
            f"{len(arguments.files)} files; want GOLDEN SUBMISSION of every batch"
        )
    batches = zip(golden, submissions, strict=True)
    scores = bioasq.pooled(batches, arguments.edition, types=arguments.types)
    print(bioasq.report(scores), end="")
