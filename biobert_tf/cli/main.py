# SPDX-License-Identifier: Apache-2.0
"""The `biobert` command, with one function for each subcommand.

The run scripts call the same functions, so `run_ner.py` and `biobert ner` do the same.
TensorFlow is imported where it is needed, so that `--help` answers at once.
"""

import contextlib
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from biobert_tf import problems
from biobert_tf.classification.settings import ClassifyConfig
from biobert_tf.cli import data, subcommands
from biobert_tf.common import flags, program, streams
from biobert_tf.common.errors import InputError
from biobert_tf.common.version import __version__
from biobert_tf.doctor.settings import DoctorConfig
from biobert_tf.embeddings.settings import ExtractFeaturesConfig
from biobert_tf.export.settings import ExportConfig
from biobert_tf.ner.settings import AnnotateConfig
from biobert_tf.qa.settings import AskConfig
from biobert_tf.relations.settings import RePredictConfig
from biobert_tf.reproduce.settings import ReproduceConfig
from biobert_tf.tpu import command as tpu_command
from biobert_tf.tpu.settings import TpuCheckConfig
from biobert_tf.training.problem import STATE, Command, TrainedProblem


class ProblemCommand:
    """The command of a problem: trains and uses its models."""

    def __init__(self, problem: TrainedProblem[Any]) -> None:
        """Keeps the problem; `biobert --help` shows its summary."""
        self.problem = problem
        self.__doc__ = problem.summary

    def __call__(self, argv: Sequence[str]) -> None:
        """Runs what the flags ask for, and exports the model if they say so.

        Raises:
            InputError: Something given cannot be used.
        """
        problem = self.problem
        settings = flags.parse(
            problem.settings, argv, problem.defaults, problem.of_model
        )
        with _telling_state(settings.stages):
            finished = self.problem.start(settings, self)
            # Only one of several workers writes.
            if finished and settings.stages.do_export and finished.estimator.is_chief:
                from biobert_tf.cli import exporting

                print(f"wrote {exporting.export_run(settings)}")


@contextlib.contextmanager
def _telling_state(stages: Any) -> Iterator[None]:
    """Lets a `KeyboardInterrupt` without a message say where the command goes on.

    A training goes on from its states, and one of several folds from theirs.
    """
    try:
        yield
    except KeyboardInterrupt as error:
        folder = stages.output_dir
        states = [folder / STATE, *folder.glob(f"*/{STATE}")]
        goes_on = stages.do_train and any(path.exists() for path in states)
        if goes_on and not str(error):
            error.args = (f"the same command goes on from {folder}",)
        raise


ner = ProblemCommand(problems.NER)
re = ProblemCommand(problems.RELATIONS)
qa = ProblemCommand(problems.QA)
pretraining = ProblemCommand(problems.PRETRAINING)


def annotate(argv: Sequence[str]) -> None:
    """Find the entities of documents of any format."""
    config = flags.parse(AnnotateConfig, argv)
    from biobert_tf.ner import annotate as annotate_run

    # The documents may go to standard output, which must hold nothing else.
    print(annotate_run.annotate(config), file=sys.stderr)


def classify(argv: Sequence[str]) -> None:
    """Label documents of any format with a trained classifier."""
    config = flags.parse(ClassifyConfig, argv)
    from biobert_tf.classification import classify as classify_run

    print(classify_run.classify(config), file=sys.stderr)


def ask(argv: Sequence[str]) -> None:
    """Ask a trained model a question about texts."""
    config = flags.parse(AskConfig, argv)
    from biobert_tf.qa import ask as qa_ask

    print(qa_ask.ask(config), end="")


def re_predict(argv: Sequence[str]) -> None:
    """Find the relations of documents with entities."""
    config = flags.parse(RePredictConfig, argv)
    from biobert_tf.relations import predict as re_predict

    with streams.telling_kept(config.output):
        summary = re_predict.predict(config)
    print(summary.text())


def extract_features(argv: Sequence[str]) -> None:
    """Write the vectors of texts: one per piece, per word or per text."""
    of_model = problems.EMBEDDINGS.of_model
    config = flags.parse(ExtractFeaturesConfig, argv, of_model=of_model)
    from biobert_tf.embeddings import run as extract_features

    with streams.telling_kept(config.output_file):
        summary = extract_features.run(config)
    print(summary.text(), file=sys.stderr if config.is_printed else sys.stdout)


def demo(argv: Sequence[str]) -> None:
    """Fine-tune a tiny model on a built-in corpus, score it, use it on new text."""
    parser = subcommands.parser(argv, demo.__doc__)
    parser.add_argument("--output_dir", type=subcommands.path, default="runs/demo")
    tasks = ("ner", "re", "qa", "classification")
    parser.add_argument("--task", choices=tasks, default="ner")
    arguments = parser.parse_args(argv[1:])
    from biobert_tf.demo import run as demos

    runs = {
        "ner": demos.ner,
        "re": demos.relations,
        "qa": demos.qa,
        "classification": demos.classification,
    }
    runs[arguments.task](arguments.output_dir)


def doctor(argv: Sequence[str]) -> None:
    """Check what is installed and the devices of this machine; say what to do."""
    config = flags.parse(DoctorConfig, argv)
    from biobert_tf.doctor import checks

    if not checks.report(config):
        sys.exit(1)


def export(argv: Sequence[str]) -> None:
    """Write a trained model as a SavedModel that takes text."""
    config = flags.parse(ExportConfig, argv)
    from biobert_tf.cli import exporting

    print(f"wrote {exporting.export(config)}")


def tpu_check(argv: Sequence[str]) -> None:
    """Say whether a command line fits on TPUs, on a machine without one."""
    own, problem, words = tpu_command.split(argv[1:])
    tpu_command.run(flags.parse(TpuCheckConfig, [argv[0], *own]), problem, words)


def reproduce(argv: Sequence[str]) -> None:
    """Run the experiments of the paper's tables and report them beside its numbers."""
    config = flags.parse(ReproduceConfig, argv)
    from biobert_tf.reproduce import command

    command.run(config, argv[1:])


def blurb(argv: Sequence[str]) -> None:
    """Run the data sets of BLURB that a folder holds, and average them as it does."""
    words = _with_folder(argv)
    config = flags.parse(ReproduceConfig, words, {"table": "blurb"})
    _run_benchmark(config, words, "blurb")


def blue(argv: Sequence[str]) -> None:
    """Run the data sets of BLUE that a folder holds, and average them as it does."""
    words = _with_folder(argv)
    config = flags.parse(ReproduceConfig, words, {"table": "blue"})
    _run_benchmark(config, words, "blue")


def _with_folder(argv: Sequence[str]) -> list[str]:
    """Returns a command line whose first word may be the folder, without `--data=`."""
    words = list(argv)
    if len(words) > 1 and not words[1].startswith("-"):
        words[1] = f"--data={words[1]}"
    return words


def _run_benchmark(config: ReproduceConfig, argv: Sequence[str], table: str) -> None:
    """Does what `biobert reproduce --table=...` does.

    Raises:
        InputError: Another table was named.
    """
    if config.table != table:
        raise InputError(f"--table={config.table} is for `biobert reproduce`")
    from biobert_tf.reproduce import command

    command.run(config, [f"--table={table}", *argv[1:]])


def convert(argv: Sequence[str]) -> None:
    """Convert weights between TF1 and Hugging Face formats, or from a SavedModel."""
    parser = subcommands.parser(argv, convert.__doc__)
    parser.add_argument("--from", dest="source", type=subcommands.path, required=True)
    parser.add_argument("--to", dest="target", type=subcommands.path, required=True)
    parser.add_argument(
        "--to_format",
        choices=("auto", "tf1", "huggingface", "saved_model"),
        default="auto",
        help="auto: tf1 if --to ends in .ckpt or .ckpt-N; saved_model: see `export`",
    )
    parser.add_argument("--bert_config_file", type=subcommands.path)
    parser.add_argument("--vocab_file", type=subcommands.path)
    parser.add_argument("--do_lower_case", choices=("true", "false"))
    parser.add_argument(
        "--classifier",
        choices=("auto", "token", "sequence"),
        default="auto",
        help="whether a classifier labels tokens or sequences, for Transformers",
    )
    arguments = parser.parse_args(argv[1:])
    from biobert_tf.checkpoints import convert as conversion
    from biobert_tf.training import reload

    found = reload.find(arguments.source)
    trained = problems.of_run(found.recorded)
    is_saved = not found.recorded and found.architecture
    spoken = {"true": True, "false": False, None: None}
    given = vars(arguments) | {
        "do_lower_case": spoken[arguments.do_lower_case],
        "trained_as": trained.classifier if trained else "auto",
        "record": problems.of_found(found).record_of(found) if is_saved else None,
        "problem_type": trained.problem_type(found) if trained else None,
        "untold": trained.untold(found) if trained else "",
    }
    source, target = given.pop("source"), given.pop("target")
    print(conversion.convert(source, target, **given))


_COMMANDS: Final[Mapping[str, Command]] = {
    **{each.command: ProblemCommand(each) for each in problems.TRAINED},
    "ask": ask,
    "annotate": annotate,
    "classify": classify,
    "download": data.download,
    "data-check": data.data_check,
    "compare": data.compare,
    "re-eval": data.re_eval,
    "re-data": data.re_data,
    "re-predict": re_predict,
    "bioasq-data": data.bioasq_data,
    "corpus": data.corpus,
    "create-pretraining-data": data.create_pretraining_data,
    "inspect-tfrecord": data.inspect_tfrecord,
    "vocab": data.vocab,
    "extract-features": extract_features,
    "export": export,
    "convert": convert,
    "ner-detokenize": data.ner_detokenize,
    "conlleval": data.conlleval,
    "squad-eval": data.squad_eval,
    "bioasq-form": data.bioasq_form,
    "bioasq-eval": data.bioasq_eval,
    "reproduce": reproduce,
    "blurb": blurb,
    "blue": blue,
    "tpu-check": tpu_check,
    "demo": demo,
    "doctor": doctor,
}


def main(argv: Sequence[str]) -> None:
    """Calls the function of a subcommand, or lists them."""
    if argv[1:2] == ["--version"]:
        print(__version__)
    else:
        subcommands.call(["biobert", *argv[1:]], _COMMANDS)


def console() -> int:
    """Runs `biobert`; the entry point that setup.py installs."""
    return program.start(main)
