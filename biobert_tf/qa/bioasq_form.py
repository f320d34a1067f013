# SPDX-License-Identifier: Apache-2.0
"""Turns decoded answers into a BioASQ submission.

    {"questions": [{"type": "factoid", "id": "...", "ideal_answer": "Dummy",
                    "exact_answer": [["best answer"], ["second best"]]}]}

A BioASQ question comes with several passages. The model answers each passage on its
own, under the question's id and a number: `<id>_001`, `<id>_002`. This module pools
these answers into one entry per question.
"""

import json
import math
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from biobert_tf.common import files
from biobert_tf.common.errors import InputError

SUBMISSION: Final = "BioASQform_BioASQ-answer.json"
WITH_PROBABILITIES: Final = "WithProb_BioASQform_BioASQ-answer.json"
FILES: Final = (SUBMISSION, WITH_PROBABILITIES)

# What the original writes (transform_nbset2bioasqform.py:70, 77).
MAX_FACTOID_ANSWERS: Final = 5
MAX_SHOWN_ANSWERS: Final = 20
# BioASQ's limits on the length of an exact answer and on the number of list items.
MAX_ANSWER_CHARS: Final = 100
MAX_LIST_ITEMS: Final = 100

Entry = dict[str, Any]
"""The entry of one question in a submission; its keys have the original's order."""

NBest = Mapping[str, Sequence[Mapping[str, Any]]]
"""The content of `nbest_predictions.json`: by id, a list of `{text, probability}`."""

MakeEntry = Callable[[str, Sequence[tuple[str, float]]], Entry]
"""Makes a question's entry from its id and the answers that `pool` returns."""

_SUB_ID: Final = re.compile(r"(.+)_[0-9]{3}", re.DOTALL)


def question_id(passage_id: str, known: Collection[str] = ()) -> str:
    """Returns the id of the question that a passage's id belongs to.

    An id that ends in `_` and three digits belongs to a passage, whatever stands
    before. Any other id belongs to a question with one passage. The original requires
    24 characters before the ending and drops the last 4 characters whatever they are.

    An id in `known` is kept whole, so that `trial_001` can be the id of a question.
    """
    match = None if passage_id in known else _SUB_ID.fullmatch(passage_id)
    return match[1] if match else passage_id


def by_question(
    nbest: Mapping[str, object], known: Collection[str] = ()
) -> dict[str, list[Any]]:
    """Groups values of passages, such as answers, by question; orders are kept."""
    grouped: dict[str, list[Any]] = {}
    for passage_id, values in nbest.items():
        grouped.setdefault(question_id(passage_id, known), []).append(values)
    return grouped


def pool(passages: Iterable[Sequence[Mapping[str, Any]]]) -> list[tuple[str, float]]:
    """Returns the answers of a question with their scores, best first.

    The probabilities of equal texts are summed over all passages. Each passage has its
    own softmax, so a sum can exceed 1.

    Returns:
        Pairs of answer and score. Answers that differ only in case are one, in its most
        probable spelling. Empty answers and those over 100 characters are dropped.
    """
    answers = [answer for nbest in passages for answer in nbest]
    # The order of summation decides the last digit. This sort is stable; pandas' sort,
    # which the original uses, is not for more than 16 values.
    answers.sort(key=lambda answer: answer["probability"], reverse=True)
    forms: dict[str, str] = {}
    scores: dict[str, float] = {}
    for answer in answers:
        # PARITY(transform_nbset2bioasqform.py:55-63): white space is not trimmed, and
        # "empty", written where no span is valid (run_qa.py:882-884), counts as an
        # answer.
        if not 0 < len(answer["text"]) <= MAX_ANSWER_CHARS:
            continue
        form = forms.setdefault(answer["text"].lower(), answer["text"])
        scores[form] = scores.get(form, 0.0) + answer["probability"]
    return sorted(scores.items(), key=lambda item: item[1], reverse=True)


# --- questions ----------------------------------------------------------------------


def factoid(id_: str, answers: Sequence[tuple[str, float]]) -> Entry:
    """Returns the entry of a factoid question: the 5 best answers of `pool`."""
    best = [[text] for text, _ in answers[:MAX_FACTOID_ANSWERS]]
    return _entry("factoid", id_, best)


def list_question(id_: str, answers: Iterable[str]) -> Entry:
    """Returns the entry of a list question from the chosen items.

    An item is dropped if it is empty, has more than 100 characters or repeats an
    earlier one (in any case); 100 items are kept.
    """
    items: dict[str, str] = {}
    for text in answers:
        if 0 < len(text) <= MAX_ANSWER_CHARS:
            items.setdefault(text.lower(), text)
    return _entry("list", id_, [[text] for text in items.values()][:MAX_LIST_ITEMS])


def yes_no(id_: str, is_yes: bool) -> Entry:
    """Returns the entry of a yes/no question."""
    return _entry("yesno", id_, "yes" if is_yes else "no")


def submission(entries: Iterable[Entry]) -> dict[str, list[Entry]]:
    """Returns a submission; its questions may be of several types."""
    return {"questions": list(entries)}


def submissions(
    scored: Iterable[tuple[Entry, Iterable[tuple[str, float]]]],
) -> tuple[dict[str, list[Entry]], dict[str, list[Entry]]]:
    """Returns a submission, and the same with pairs `[text, score]` as answers."""
    scored = list(scored)
    with_scores = (
        entry | {"exact_answer": list(map(list, pairs))} for entry, pairs in scored
    )
    return submission(entry for entry, _ in scored), submission(with_scores)


def _entry(type_: str, id_: str, exact_answer: list[list[Any]] | str) -> Entry:
    # The evaluator requires an ideal answer for every question but does not score it.
    entry = {"type": type_, "id": id_, "ideal_answer": "Dummy"}
    return entry | {"exact_answer": exact_answer}


# --- files --------------------------------------------------------------------------


def transform(
    nbest: NBest, known: Collection[str] = (), make: MakeEntry = factoid
) -> tuple[dict[str, list[Entry]], dict[str, list[Entry]]]:
    """Returns the submission of questions answered by spans, and the same with scores.

    The second has up to 20 pairs `[text, score]` per question. `make` makes a
    question's entry from its pooled answers; see `question_id` for `known`.
    """
    pooled = {id_: pool(lists) for id_, lists in by_question(nbest, known).items()}
    return submissions(
        (make(id_, answers), answers[:MAX_SHOWN_ANSWERS])
        for id_, answers in pooled.items()
    )


def write_both(directory: Path, documents: Sequence[dict[str, list[Entry]]]) -> None:
    """Writes a submission, and the same with scores, in the original's format.

    Raises:
        InputError: The directory cannot be written.
    """
    _write([directory / name for name in FILES], documents)


def _write(paths: Sequence[Path], documents: Sequence[dict[str, list[Entry]]]) -> None:
    for path, document in zip(paths, documents, strict=True):
        files.write_text(path, json.dumps(document, indent=2))


def convert(nbest_path: Path, output_path: Path) -> str:
    """Makes the submission of factoid questions from a file of n-best answers.

    Does what transform_nbset2bioasqform.py does: if `output_path` is a directory, the
    two files get the names in `FILES`; if not, they are `output_path` and
    `<output_path>_WithProb`. Returns a summary.

    Raises:
        InputError: A file cannot be read or written, or holds no n-best answers.
    """
    documents = files.parse_json(nbest_path, _factoids)
    paths = [output_path, output_path.with_name(f"{output_path.name}_WithProb")]
    if output_path.is_dir():
        paths = [output_path / name for name in FILES]
    _write(paths, documents)
    number = len(documents[0]["questions"])
    return f"{number} questions: wrote {' and '.join(map(str, paths))}"


def _factoids(nbest: Mapping[str, Any]) -> Sequence[dict[str, list[Entry]]]:
    for passage_id, answers in nbest.items():
        if not isinstance(answers, list) or not all(map(_is_answer, answers)):
            raise InputError(
                f"the answers to {passage_id!r} are no list of texts with "
                "probabilities; give nbest_predictions.json of factoid questions"
            )
    return transform(nbest)


def _is_answer(answer: object) -> bool:
    if not isinstance(answer, dict) or not isinstance(answer.get("text"), str):
        return False
    score: Any = answer.get("probability")
    return type(score) in (int, float) and 0 <= score < math.inf
