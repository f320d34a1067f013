# SPDX-License-Identifier: Apache-2.0
"""Reads PubMedQA: questions by PMID, in one file or in one for each split.

`ori_pqal.json` holds 1,000 questions. The authors' script deals those of each answer
out at random, from seed 0, in the order of the file: first to a half for training and a
half for the test, then the former to ten folds. `split` deals in the same way, so that
its sets are the published ones: the test set is that of `test_ground_truth.json`.
Training uses nine folds and the development set is the tenth, as in BLURB.

Where the script has been run, its `train_set.json`, `dev_set.json` and `test_set.json`
are read.
"""

import json
import math
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from biobert_tf.classification.settings import PubMedQaContext
from biobert_tf.common import files
from biobert_tf.common.errors import InputError

WHOLE: Final = "ori_pqal.json"
TRUTH: Final = "test_ground_truth.json"
LABELS: Final = ("yes", "no", "maybe")
"""The answers, in the order in which the authors' script deals them out."""
_NUM_FOLDS: Final = 10

Questions = Mapping[str, Mapping[str, Any]]
"""The questions by PMID, as they stand in a file."""


def is_one(values: Mapping[str, Any]) -> bool:
    """Returns whether a JSON object holds questions by PMID."""
    first = next(iter(values.values()), None)
    return isinstance(first, dict) and "QUESTION" in first


def read(path: Path) -> tuple[Questions, dict[str, int]]:
    """Returns the questions of a file, and the line where each begins.

    Raises:
        InputError: It cannot be read, is not such a file, or a question lacks a text.
            The message names its line.
    """
    text = files.read_text(path)
    values = files.read_json(path)
    lines: dict[str, int] = {}
    line, begin = 1, 0
    for pmid, question in values.items():
        at = max(text.find(json.dumps(pmid, ensure_ascii=False), begin), begin)
        line += text.count("\n", begin, at)
        lines[pmid], begin = line, at
        if problem := _problem(question):
            raise InputError.at(path, line, f"question {pmid}: {problem}")
    return values, lines


def _problem(question: object) -> str:
    if not isinstance(question, dict):
        return "not an object; want QUESTION, CONTEXTS, final_decision"
    if not isinstance(question.get("QUESTION"), str):
        return "no text QUESTION"
    contexts = question.get("CONTEXTS")
    if not isinstance(contexts, list) or not all(isinstance(x, str) for x in contexts):
        return "CONTEXTS is no list of texts"
    answer = question.get("final_decision")
    if answer is not None and not isinstance(answer, str):
        return f"final_decision is {answer!r}; want {', '.join(LABELS)}"
    return ""


def context(question: Mapping[str, Any], wanted: PubMedQaContext) -> str | None:
    """Returns the text beside a question; None if its conclusion is wanted and absent.

    The sections of the abstract are joined with blanks, without their names.
    """
    conclusion = question.get("LONG_ANSWER")
    if wanted != "abstract" and not isinstance(conclusion, str):
        return None
    parts = [] if wanted == "conclusion" else [*question["CONTEXTS"]]
    parts += [] if wanted == "abstract" else [conclusion]
    return " ".join(part.strip() for part in parts if part.strip())


def split(path: Path, questions: Questions, name: str, fold: int) -> list[str]:
    """Returns the PMIDs of a split of a whole file: train, dev or test.

    If a `test_ground_truth.json` beside the file names other questions than the
    authors' rule, these are the test set, and the rule makes the folds of the others.

    Raises:
        InputError: A question has none of the three answers; or the ground truth cannot
            be read, or names a question that the file lacks.
    """
    for pmid, question in questions.items():
        if question.get("final_decision") not in LABELS:
            raise InputError.at(
                path,
                None,
                f"question {pmid} has no final_decision of {', '.join(LABELS)}, by "
                "which the sets are made",
            )
    dealer = random.Random(0)
    rest, test = _deal(dealer, questions, [*questions], 2)
    truth_file = path.with_name(TRUTH)
    if truth_file.is_file():
        truth = files.read_json(truth_file)
        if missing := [pmid for pmid in truth if pmid not in questions]:
            problem = f"question {missing[0]} is not in {path.name}"
            raise InputError.at(truth_file, None, problem)
        if {*truth} != {*test}:
            test = [*truth]
            rest = [pmid for pmid in questions if pmid not in truth]
    if name == "test":
        return test
    folds = _deal(dealer, questions, rest, _NUM_FOLDS)
    dev = folds.pop(fold)
    return dev if name == "dev" else [pmid for each in folds for pmid in each]


def _deal(
    dealer: random.Random, questions: Questions, pmids: Sequence[str], num: int
) -> list[list[str]]:
    """Returns some questions dealt out to `num` sets, each answer by itself."""
    sets: list[list[str]] = [[] for _ in range(num)]
    for label in LABELS:
        held = [pmid for pmid in pmids if questions[pmid]["final_decision"] == label]
        dealer.shuffle(held)
        size = math.ceil(len(held) / num)
        for i, each in enumerate(sets):
            end = None if i == num - 1 else (i + 1) * size
            each += held[i * size : end]
    # The last set gets what is left. If that is not enough, the others give one each.
    if len(sets[-1]) != len(sets[0]):
        for each in filter(None, sets[:-1]):
            given = dealer.choice(each)
            each.remove(given)
            sets[-1].append(given)
    return sets
