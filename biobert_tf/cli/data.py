# SPDX-License-Identifier: Apache-2.0
"""The subcommands of `biobert` that make, check or score data, without a model."""

import argparse
import dataclasses
import sys
import typing
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from biobert_tf import problems
from biobert_tf.cli import subcommands
from biobert_tf.common import files, flags, streams
from biobert_tf.common.comma_lists import FileGlobs
from biobert_tf.common.errors import InputError
from biobert_tf.common.settings import TextConfig
from biobert_tf.corpora.settings import WriteCorpusConfig
from biobert_tf.pretraining.data.settings import CreatePretrainingDataConfig
from biobert_tf.qa.bioasq.settings import BioAsqDataConfig
from biobert_tf.relations.sets import SETS
from biobert_tf.relations.settings import (
    PairsConfig,
    ReEvalConfig,
    RelationFormat,
    ReleaseConfig,
)
from biobert_tf.vocabularies.settings import ExtendConfig, LearnConfig, ReportConfig

if typing.TYPE_CHECKING:
    from biobert_tf.published.manifest import Row
    from biobert_tf.training.checking import Report


def re_data(argv: Sequence[str]) -> None:
    """Make relation data from annotated documents, or check it."""
    subcommands.call(
        argv,
        {
            "chemprot": re_data_chemprot,
            "drugprot": re_data_drugprot,
            "pairs": re_data_pairs,
            "check": re_data_check,
        },
    )


def re_data_chemprot(argv: Sequence[str]) -> None:
    """Make train, dev and test files from the official ChemProt release."""
    config = flags.parse(ReleaseConfig, argv)
    from biobert_tf.relations import chemprot

    counts = chemprot.convert(config.input, config.output, config.placeholders)
    print(chemprot.summary(counts))


def re_data_drugprot(argv: Sequence[str]) -> None:
    """Make train and dev files from the official DrugProt release."""
    config = flags.parse(ReleaseConfig, argv)
    from biobert_tf.relations import chemprot

    counts = chemprot.convert(
        config.input, config.output, config.placeholders, chemprot.DRUGPROT
    )
    print(chemprot.summary(counts))


def re_data_pairs(argv: Sequence[str]) -> None:
    """Make a training file from documents with entities and relations."""
    config = flags.parse(PairsConfig, argv)
    from biobert_tf.documents import formats
    from biobert_tf.relations import writing

    kind = formats.with_relations(config.input, config.input_format)
    notes: Counter[str] = Counter()
    found = formats.read(
        config.input, kind, bad_mentions=config.bad_mentions, notes=notes
    )
    counts = writing.write_pairs(
        (loaded.document for loaded in found),
        config.pair.pairs,
        config.negative_label,
        config.output,
        config.placeholders,
    )
    if notes:
        counts.notes["mentions that differ from their text"] = notes.total()
    print(counts.summary())


def re_data_check(argv: Sequence[str]) -> None:
    """Look for leaks, contradictions and broken rows in relation data."""
    parser = _check_parser(argv, re_data_check.__doc__)
    arguments = parser.parse_args(argv[1:])
    _require_set(arguments.task_name)
    from biobert_tf.relations import check

    labels = SETS.get(arguments.task_name)
    report = check.check(arguments.data_dir, arguments.data_format, labels)
    _show_report(report, arguments)


def data_check(argv: Sequence[str]) -> None:
    """Look for leaks, contradictions and broken labels in the data of a problem."""
    parser = _check_parser(argv, data_check.__doc__)
    known = {each.command: each for each in problems.TRAINED if each.data_files}
    parser.add_argument("--kind", choices=list(known), help="if the files do not tell")
    parser.add_argument(
        "--vocab_file",
        type=subcommands.path,
        help="measure pieces; without, words are counted",
    )
    parser.add_argument(
        "--do_lower_case", choices=("true", "false"), help="default: as in vocab_file"
    )
    parser.add_argument(
        "--max_seq_length", type=int, help="default: that of the problem, 128 or 384"
    )
    parser.add_argument(
        "--expect",
        metavar="NAME",
        help="the published set that this should be; by default the folder's name "
        "tells, and none is compared with nothing",
    )
    arguments = parser.parse_args(argv[1:])
    _require_set(arguments.task_name)
    data_dir, kind = arguments.data_dir, arguments.kind
    if not data_dir.is_dir():
        raise InputError.at(data_dir, None, "no such directory")
    asked = [known[kind]] if kind else known.values()
    found = [each for each in asked if kind or each.has_data(data_dir)]
    if not found:
        wanted = "; ".join(f"{name}: {each.data_files}" for name, each in known.items())
        raise InputError.at(data_dir, None, f"holds no data that is known; {wanted}")
    if len(found) > 1:
        names = " or ".join(each.command for each in found)
        problem = f"may be data of {names}; say which with --kind"
        raise InputError.at(data_dir, None, problem)
    from biobert_tf.text.tokenization import FullTokenizer
    from biobert_tf.training.checking import CheckSettings, Ruler

    vocab_file = arguments.vocab_file
    is_lower = {"true": True, "false": False, None: None}[arguments.do_lower_case]
    length = arguments.max_seq_length
    if length is None:
        length = found[0].max_seq_length or 128
    TextConfig(max_seq_length=length)  # Refuses what training refuses.
    if is_lower is not None and not vocab_file:
        raise InputError("--do_lower_case needs --vocab_file")
    ruler = Ruler(FullTokenizer(vocab_file, is_lower) if vocab_file else None, length)
    name, data_format = arguments.task_name or "", arguments.data_format
    settings = CheckSettings(data_dir, ruler, name, data_format)
    report = found[0].check(settings)
    if row := _expected(arguments.expect, data_dir, found[0].command):
        from biobert_tf.published import expected

        report = expected.compared(report, row)
    _show_report(report, arguments)


def _expected(name: str | None, data_dir: Path, command: str) -> "Row | None":
    """Returns the published set that a folder should hold, if there is one.

    Raises:
        InputError: The name is of no set, or of one of another problem.
    """
    from biobert_tf.published import expected, manifest

    if name == "none":
        return None
    if name is None:
        return expected.row_of(data_dir, command)
    row = manifest.known_row(name)
    if row.problem != command:
        raise InputError(
            f"--expect={name}: that is data of {row.problem}, and {data_dir} holds "
            f"data of {command}"
        )
    return row


def _check_parser(argv: Sequence[str], text: str | None) -> argparse.ArgumentParser:
    parser = subcommands.parser(argv, text)
    parser.add_argument(
        "data_dir", type=subcommands.path, help="a set, or a folder of folds"
    )
    parser.add_argument(
        "--task_name",
        type=str.lower,
        help="relations: also check the labels, as run_re.py does",
    )
    parser.add_argument(
        "--data_format",
        choices=typing.get_args(RelationFormat),
        default="auto",
        help="relations: as in run_re.py",
    )
    parser.add_argument(
        "--json", type=subcommands.path, help="also write everything found here"
    )
    parser.add_argument(
        "--strict", action="store_true", help="exit with status 1 if anything is found"
    )
    return parser


def _require_set(name: str | None) -> None:
    if name not in (None, *SETS):
        raise InputError(f"--task_name={name}: want one of {', '.join(SETS)}")


def _show_report(report: "Report", arguments: argparse.Namespace) -> None:
    print(report.summary(), end="")
    if arguments.json is not None:
        files.write_json(arguments.json, report.to_dict())
    if arguments.strict and report.num_problems:
        sys.exit(1)


def download(argv: Sequence[str]) -> None:
    """Fetch the paper's data sets and checkpoints."""
    parser = subcommands.parser(argv, download.__doc__)
    parser.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help="data sets and checkpoints, or all; without any, they are listed",
    )
    parser.add_argument(
        "--to",
        type=subcommands.path,
        help="folder for the data; checkpoints go to its folder weights",
    )
    arguments = parser.parse_args(argv[1:])
    from biobert_tf.published import download as downloads
    from biobert_tf.published import sources

    to = arguments.to
    if not arguments.names:
        print(downloads.overview(to))
        return
    wanted = sources.named(arguments.names)
    if to is None:
        raise InputError("--to must be given: the folder for the data")
    summary = downloads.download(wanted, to)
    print(summary.text())
    # Whoever asks for all knows that some are to be had by hand.
    by_hand = () if "all" in arguments.names else summary.by_hand
    if lacking := [*summary.failed, *by_hand]:
        names = ", ".join(lacking)
        raise InputError(f"{names}: not fetched; what to do is said above")


def bioasq_data(argv: Sequence[str]) -> None:
    """Make training and test files from BioASQ's questions."""
    config = flags.parse(BioAsqDataConfig, argv)
    from biobert_tf.qa.bioasq import conversion

    print(conversion.convert(config).summary())


def create_pretraining_data(argv: Sequence[str]) -> None:
    """Convert a corpus to the TFRecords of masked sentence pairs."""
    from biobert_tf.pretraining.data import conversion, units

    config_type = CreatePretrainingDataConfig
    config = flags.parse(config_type, argv, of_model=units.of_vocabulary)
    print(conversion.convert(config).summary())


def inspect_tfrecord(argv: Sequence[str]) -> None:
    """Show decoded pre-training records, and measure them."""
    parser = subcommands.parser(argv, inspect_tfrecord.__doc__)
    parser.add_argument("files", nargs="+", help="TFRecord files or globs")
    parser.add_argument(
        "--vocab_file", type=subcommands.path, help="to show pieces, not ids"
    )
    parser.add_argument("--examples", type=int, default=3, help="records to show")
    parser.add_argument(
        "--max_records", type=int, default=0, help="records to measure; 0: all"
    )
    parser.add_argument(
        "--json", type=subcommands.path, help="also write the measures here"
    )
    arguments = parser.parse_args(argv[1:])
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
    config = flags.parse(WriteCorpusConfig, argv)
    from biobert_tf.corpora import corpus as corpora

    with streams.telling_kept(config.output):
        report = corpora.write_corpus(config.input, config.output, config.corpus)
    print(report.summary())


def vocab(argv: Sequence[str]) -> None:
    """Learn, extend or report on a vocabulary."""
    subcommands.call(
        argv, {"learn": vocab_learn, "extend": vocab_extend, "report": vocab_report}
    )


def vocab_learn(argv: Sequence[str]) -> None:
    """Learn a WordPiece vocabulary from a corpus."""
    config = flags.parse(LearnConfig, argv)
    from biobert_tf.vocabularies import learning

    with streams.telling_kept(config.output):
        learned = learning.learn(config)
    print(learned.summary())


def vocab_extend(argv: Sequence[str]) -> None:
    """Add new pieces to a vocabulary and to its model."""
    config = flags.parse(ExtendConfig, argv)
    from biobert_tf.vocabularies import extension

    print(extension.extend(config).summary())


def vocab_report(argv: Sequence[str]) -> None:
    """Report how well vocabularies fit a corpus."""
    config = flags.parse(ReportConfig, argv)
    from biobert_tf.vocabularies import report

    print(report.report(config), end="")


def conlleval(argv: Sequence[str]) -> None:
    """Score a file of `word gold predicted` lines as conlleval.pl does."""
    parser = subcommands.parser(argv, conlleval.__doc__)
    parser.add_argument(
        "file",
        type=subcommands.path,
        nargs="?",
        default="-",
        help="default: standard input",
    )
    parser.add_argument(
        "-d",
        dest="delimiter",
        default=" ",
        help="what stands between columns: a character, or a pattern",
    )
    parser.add_argument("-l", action="store_true", help="print rows of a LaTeX table")
    parser.add_argument(
        "-r", action="store_true", help="labels are types without B- and I-"
    )
    parser.add_argument("-o", default="O", help="with -r, the label outside; default O")
    given = parser.parse_args(argv[1:])
    from biobert_tf.ner import conlleval as metric

    outside = given.o if given.r else None
    print(metric.report_file(given.file, given.delimiter, outside, given.l), end="")


def compare(argv: Sequence[str]) -> None:
    """Say how sure the difference of two runs is, on one test set."""
    parser = subcommands.parser(argv, compare.__doc__)
    for name in ("first", "second"):
        parser.add_argument(
            name,
            metavar="RUN",
            type=_paths,
            help="--output_dir of a run of ner, re, qa or classification; of several "
            "seeds, comma-separated",
        )
    parser.add_argument(
        "--resamples", type=int, default=10_000, help="how often to draw; default 10000"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the drawing; default 0")
    parser.add_argument(
        "--json", type=subcommands.path, help="also write everything found here"
    )
    arguments = parser.parse_args(argv[1:])
    if arguments.resamples < 1:
        raise InputError(f"--resamples={arguments.resamples}: must be at least 1")
    if arguments.seed < 0:
        raise InputError(f"--seed={arguments.seed}: must be at least 0")
    from biobert_tf.reproduce import compare as comparing
    from biobert_tf.reproduce import units

    first, second = (
        list(map(units.parts_of, runs)) for runs in (arguments.first, arguments.second)
    )
    report = comparing.compare(first, second, arguments.resamples, arguments.seed)
    print(report.text(), end="")
    if arguments.json is not None:
        files.write_json(arguments.json, report.to_dict())


def _paths(text: str) -> list[Path]:
    return [subcommands.path(name) for name in text.split(",") if name]


def ner_detokenize(argv: Sequence[str]) -> None:
    """Write the words, gold and predicted labels of a test file for conlleval."""
    parser = subcommands.parser(argv, ner_detokenize.__doc__)
    parser.add_argument(
        "--token_test_path",
        type=subcommands.path,
        required=True,
        help="token_test.txt; without such a file, predictions.jsonl beside it is read",
    )
    parser.add_argument(
        "--label_test_path", type=subcommands.path, help="label_test.txt"
    )
    parser.add_argument(
        "--answer_path",
        type=subcommands.path,
        required=True,
        help="the test file, with labels",
    )
    parser.add_argument(
        "--output_dir",
        type=subcommands.path,
        required=True,
        help="folder for NER_result_conll.txt",
    )
    parser.add_argument(
        "--debug", action="store_true", help="also write NER_result_sent-debug.txt"
    )
    arguments = parser.parse_args(argv[1:])
    from biobert_tf.ner import detokenize

    print(detokenize.detokenize(**vars(arguments)))


def squad_eval(argv: Sequence[str]) -> None:
    """Score answers to SQuAD as its official script does."""
    parser = subcommands.parser(argv, squad_eval.__doc__)
    parser.add_argument("data", type=subcommands.path, help="the set, as dev-v1.1.json")
    parser.add_argument(
        "predictions", type=subcommands.path, help="question id -> text, JSON"
    )
    parser.add_argument(
        "--null_odds",
        "--na-prob-file",
        "-n",
        type=subcommands.path,
        help="question id -> odds, for v2",
    )
    parser.add_argument(
        "--threshold",
        "--na-prob-thresh",
        "-t",
        type=float,
        default=1.0,
        help="odds above this mean no answer",
    )
    arguments = parser.parse_args(argv[1:])
    from biobert_tf.qa import squad_scores

    print(squad_scores.report(squad_scores.evaluate(**vars(arguments))), end="")


def bioasq_form(argv: Sequence[str]) -> None:
    """Make a BioASQ submission from n-best answers to factoid questions."""
    parser = subcommands.parser(argv, bioasq_form.__doc__)
    parser.add_argument(
        "--nbest_path",
        type=subcommands.path,
        required=True,
        help="nbest_predictions.json",
    )
    parser.add_argument(
        "--output_path",
        type=subcommands.path,
        required=True,
        help="a folder, or the file; its neighbour FILE_WithProb has the scores",
    )
    arguments = parser.parse_args(argv[1:])
    from biobert_tf.qa import bioasq_form as form

    print(form.convert(**vars(arguments)))


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

    parser = subcommands.parser(argv, bioasq_eval.__doc__)
    parser.add_argument(
        "files",
        nargs="+",
        type=subcommands.path,
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
