# SPDX-License-Identifier: Apache-2.0
"""`biobert tpu-check`: which command lines are checked."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from biobert_tf import problems
from biobert_tf.common.errors import InputError
from biobert_tf.tpu.settings import TpuCheckConfig
from biobert_tf.training.problem import TrainedProblem

if TYPE_CHECKING:
    from biobert_tf.tpu.check import Line

_BEFORE: Final = ("--", "biobert", "python", "python3")
_ALWAYS: Final = "--output_dir=run --use_tpu --mixed_precision=bfloat16"


class Case(NamedTuple):
    """A command line that is checked if the user gives none; no file is read.

    Attributes:
        title: What it is called.
        text: The script and its flags, without those of `_ALWAYS`.
        text_length: The pieces of its texts on average; 0: they fill their rows.
    """

    title: str
    text: str
    text_length: int = 0


CASES: Final = (
    Case(
        "pre-training, 512",
        "run_pretraining.py --input_file=records --do_train --do_eval "
        "--max_seq_length=512 --max_predictions_per_seq=77 --train_batch_size=192 "
        "--eval_batch_size=192",
    ),
    Case(
        "pre-training, 128",
        "run_pretraining.py --input_file=records --do_train --do_eval "
        "--max_seq_length=128 --max_predictions_per_seq=20 --train_batch_size=256 "
        "--eval_batch_size=256",
    ),
    Case(
        "NER, padded",
        "run_ner.py --data_dir=data --train_batch_size=256 --predict_batch_size=256 "
        "--pack_sequences=off",
    ),
    # Sentences as long as those of NCBI-disease, as many as 32 rows or a few more hold.
    Case(
        "NER, packed",
        "run_ner.py --data_dir=data --train_batch_size=960 --pack_sequences=on "
        "--do_predict=false",
        34,
    ),
    Case(
        "relations",
        "run_re.py --task_name=gad --data_dir=data --do_train --do_predict "
        "--train_batch_size=256 --predict_batch_size=256",
    ),
    Case(
        "questions",
        "run_qa.py --train_file=train --predict_file=test --do_train --do_predict "
        "--train_batch_size=96 --predict_batch_size=96",
    ),
    Case(
        "pre-training, 512, recomputed",
        "run_pretraining.py --input_file=records --do_train --max_seq_length=512 "
        "--max_predictions_per_seq=77 --train_batch_size=192 --recompute",
    ),
)
"""For BERT-Base on 8 cores."""
_TINY: Final = "--max_seq_length=32 --train_batch_size=16"
TINY_CASES: Final = (
    Case(
        "pre-training, recomputed",
        "run_pretraining.py --input_file=records --do_train --do_eval --recompute "
        f"--max_predictions_per_seq=5 {_TINY} --eval_batch_size=16",
    ),
    Case("NER, packed", f"run_ner.py --data_dir=data --pack_sequences=on {_TINY}", 12),
    Case(
        "relations",
        "run_re.py --task_name=gad --data_dir=data --do_train --do_predict " + _TINY,
    ),
    Case(
        "questions",
        f"run_qa.py --train_file=train --predict_file=test --do_train --do_predict "
        f"--doc_stride=8 --max_query_length=8 {_TINY}",
    ),
)
"""The same for `--size=tiny`: a few texts, as compilers take long for many."""


def run(
    config: TpuCheckConfig, problem: TrainedProblem[Any] | None, words: Sequence[str]
) -> None:
    """Checks the command line that `split` has found, or else `CASES`; prints it all.

    Raises:
        InputError: A flag is wrong, the compiler is missing, or a step fails.
    """
    from biobert_tf.tpu import check, report

    check.require()
    lines = _cases(config) if problem is None else [_line(problem, words, config)]
    results = check.check(config, lines)
    print(report.text(results), end="")
    print(f"wrote {config.output} and {config.output.with_suffix('.md')}")
    if failed := report.num_failed(results):
        raise InputError(f"{failed} steps fail; {config.output} has the whole messages")


def split(
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
    for title, text, text_length in TINY_CASES if config.size == "tiny" else CASES:
        _, problem, words = split(text.split())
        assert problem is not None
        if problem.command in config.scripts.named:
            words = [*words, *_ALWAYS.split()]
            lines.append(_line(problem, words, config, title, text_length))
    return lines


def _line(
    problem: TrainedProblem[Any],
    words: Sequence[str],
    config: TpuCheckConfig,
    title: str = "",
    text_length: int = 0,
) -> "Line":
    from biobert_tf.tpu import check, steps

    text_length = config.text_length or text_length
    found = steps.of_command(problem, words, config.size, text_length)
    return check.Line(title or problem.script, " ".join(words), found)
