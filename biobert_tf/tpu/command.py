# SPDX-License-Identifier: Apache-2.0
"""`biobert tpu-check`: which command lines are checked."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from biobert_tf import problems
from biobert_tf.common import flags
from biobert_tf.common.errors import InputError
from biobert_tf.tpu.settings import TpuCheckConfig
from biobert_tf.training.problem import TrainedProblem

if TYPE_CHECKING:
    from biobert_tf.tpu.check import Line

_BEFORE: Final = ("--", "biobert", "python", "python3")
# What every one of the cases below has; no file is read.
_ALWAYS: Final = "--output_dir=run --use_tpu --mixed_precision=bfloat16"
CASES: Final = (
    (
        "pre-training, 512",
        "run_pretraining.py --input_file=records --do_train --do_eval "
        "--max_seq_length=512 --max_predictions_per_seq=77 --train_batch_size=192 "
        "--eval_batch_size=192",
        0,
    ),
    (
        "pre-training, 128",
        "run_pretraining.py --input_file=records --do_train --do_eval "
        "--max_seq_length=128 --max_predictions_per_seq=20 --train_batch_size=256 "
        "--eval_batch_size=256",
        0,
    ),
    (
        "NER, padded",
        "run_ner.py --data_dir=data --train_batch_size=256 --predict_batch_size=256 "
        "--pack_sequences=off",
        0,
    ),
    (
        "NER, packed",
        "run_ner.py --data_dir=data --train_batch_size=960 --pack_sequences=on "
        "--do_predict=false",
        34,
    ),
    (
        "relations",
        "run_re.py --task_name=gad --data_dir=data --do_train --do_predict "
        "--train_batch_size=256 --predict_batch_size=256",
        0,
    ),
    (
        "questions",
        "run_qa.py --train_file=train --predict_file=test --do_train --do_predict "
        "--train_batch_size=96 --predict_batch_size=96",
        0,
    ),
    (
        "pre-training, 512, recomputed",
        "run_pretraining.py --input_file=records --do_train --max_seq_length=512 "
        "--max_predictions_per_seq=77 --train_batch_size=192 --recompute",
        0,
    ),
)
"""Titles, command lines, and the pieces of a text; `biobert tpu-check` alone checks
them: BERT-Base on 8 cores."""


def run(argv: Sequence[str]) -> None:
    """Says whether training and prediction compile for TPUs and fit, without a TPU.

    The steps are those of the command line that follows the flags, such as
    `run_ner.py --train_batch_size=256`, or else those of `CASES`.

    Raises:
        InputError: A flag is wrong, the compiler is missing, or a step fails.
    """
    own, problem, words = _split(argv[1:])
    config = flags.parse(TpuCheckConfig, [argv[0], *own])
    from biobert_tf.tpu import check, report

    check.require()
    lines = _cases(config) if problem is None else [_line(problem, words, config)]
    results = check.check(config, lines)
    print(report.text(results), end="")
    page = config.output.with_suffix(".md")
    print(f"wrote {config.output} and {page}")
    if failed := report.num_failed(results):
        raise InputError(f"{failed} steps fail; {config.output} has the whole messages")


def _split(
    words: Sequence[str],
) -> tuple[list[str], TrainedProblem[Any] | None, list[str]]:
    """Returns the words before a command line, its script, and its flags.

    Without one the script is None.
    """
    by_name = {
        name: each for each in problems.TRAINED for name in (each.command, each.script)
    }
    for number, word in enumerate(words):
        if problem := by_name.get(Path(word).name):
            own = [each for each in words[:number] if each not in _BEFORE]
            return own, problem, list(words[number + 1 :])
    return list(words), None, []


def _cases(config: TpuCheckConfig) -> "list[Line]":
    """Returns the cases of the scripts that are asked for."""
    lines = []
    for title, text, text_length in CASES:
        _, problem, words = _split(text.split())
        assert problem is not None
        if problem.command in config.scripts.named:
            words = [*words, *_ALWAYS.split()]
            lines.append(_line(problem, words, config, title, text_length))
    return lines


def _line(
    problem: TrainedProblem[Any],
    words: list[str],
    config: TpuCheckConfig,
    title: str = "",
    text_length: int = 0,
) -> "Line":
    from biobert_tf.tpu import check, steps

    text_length = config.text_length or text_length
    found = steps.of_command(problem, words, config.size, text_length)
    return check.Line(title or problem.script, " ".join(words), found)
