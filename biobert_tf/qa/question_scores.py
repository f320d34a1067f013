# SPDX-License-Identifier: Apache-2.0
"""The scores of single questions, which `biobert compare` reads: a line of JSON each.

The scores in `results.json` are means of these; the F1s of yes and no follow from the
right answer and from whether it was given.
"""

import dataclasses
import json
from collections.abc import Iterable, Mapping
from typing import Final

FILE: Final = "question_scores.jsonl"


@dataclasses.dataclass(frozen=True)
class QuestionScores:
    """The scores of one question by name, each in [0, 1], and its gold answer."""

    id: str
    gold: object
    scores: Mapping[str, float]


def lines(questions: Iterable[QuestionScores]) -> str:
    """Returns the text of the file."""
    return "".join(
        json.dumps(dataclasses.asdict(each), ensure_ascii=False) + "\n"
        for each in questions
    )
