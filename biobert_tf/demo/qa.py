# SPDX-License-Identifier: Apache-2.0
"""Makes the small set of questions that `biobert demo --task=qa` trains on.

Nothing here comes from a released data set: as in `ner`, a grammar, written for this
project, is expanded at random into meaningless English passages. Each is about two
drugs, two diseases, a dose, a time and a group of patients. Three properties make the
task hard enough:

* a passage has five questions with different answers, so a model that ignores the
  question answers one in five;
* one drug is asked for by its kind (`Which statin ...?`), and so is one disease, while
  the other drug or disease can take the same places in the same sentences: a model that
  sees only whether a drug, disease, dose, time or group is asked for answers three in
  five;
* the kinds are not in the passage and must be learnt, and one in five drugs or diseases
  of the test file is made of words that are not in the training file, with morphemes
  that are (`ox|acillin`, `fibro|sarcoma`).
"""

import random
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

from biobert_tf.common import files
from biobert_tf.demo import grammar
from biobert_tf.demo.ner import SEED


class Passage(NamedTuple):
    """A text that tells a story; `starts`: where it names each role, which is once."""

    text: str
    starts: Mapping[str, int]


class Question(NamedTuple):
    """A question whose answer is the name of `role`; its id is 24 digits of base 16."""

    id: str
    text: str
    role: str


class Story(NamedTuple):
    """The name of each of `ROLES`, passages that each tell all, and questions."""

    names: Mapping[str, str]
    passages: tuple[Passage, ...]
    questions: tuple[Question, ...]


NUM_STORIES: Final = {"train": 800, "test": 80}

# Every story has a question about each double role, and about one single role.
_DOUBLE_ROLES: Final = ("drug1", "drug2", "disease1", "disease2")
_SINGLE_ROLES: Final = ("dose", "time", "who")
ROLES: Final = (*_DOUBLE_ROLES, *_SINGLE_ROLES)

# The rules of the roles' names and of a question's `$kind` are added for each story.
_GRAMMAR: Final = grammar.text("qa")
# Further names, only in the test file.
_HELD_OUT: Final = grammar.text("qa_held_out")

# A passage that is not in the corpus. Its two answers are names of the training file:
# it shows what works. How often a new name is answered is what `unseen` counts.
PASSAGE: Final = (
    "In this study, children with nephritis received amoxicillin (4.5 mg/kg) for 3 "
    "months, but developed pneumonia after silver."
)
# Questions about it, with their answers.
QUESTIONS: Final = {
    "Which penicillin did children receive?": "amoxicillin",
    "Which lung disease was reported?": "pneumonia",
}


def corpus(seed: int) -> dict[str, list[Story]]:
    """Returns the stories of `train` and `test`; no two share a passage."""
    rng = random.Random(seed)
    told: set[str] = set()
    train, test = grammar.parse(_GRAMMAR), grammar.parse(_GRAMMAR, _HELD_OUT)
    return {
        "train": [story(train, rng, told, 1) for _ in range(NUM_STORIES["train"])],
        "test": [story(test, rng, told, 2) for _ in range(NUM_STORIES["test"])],
    }


def write_corpus(directory: Path, seed: int) -> None:
    """Writes `train.json`, `test.json` and `golden.json`, like BioBERT's BioASQ files.

    `train.json` and `test.json` are in SQuAD's form. They have a question once for each
    of its passages, with the passage's number after the id: `<id>_000`, `<id>_001`.
    Only `train.json` has answers. `golden.json` has the questions of `test.json` with
    their answers, in BioASQ's form.

    Raises:
        InputError: The directory cannot be written.
    """
    splits = corpus(seed)
    for name, told in splits.items():
        paragraphs = [
            _paragraph(each, number, has_answers=name == "train")
            for each in told
            for number in range(len(each.passages))
        ]
        data = [{"title": "demo", "paragraphs": paragraphs}]
        files.write_json(directory / f"{name}.json", {"version": "demo", "data": data})
    golden = [
        {
            "id": id_,
            "type": "factoid",
            "body": text,
            "exact_answer": [[each.names[role]]],
        }
        for each in splits["test"]
        for id_, text, role in each.questions
    ]
    files.write_json(directory / "golden.json", {"questions": golden})


def unseen(answers: Path) -> tuple[int, int]:
    """Counts the test file's questions whose answer is a name that training has not.

    Args:
        answers: The `BioASQform_BioASQ-answer.json` of a run on the corpus of `SEED`.

    Returns:
        The number of questions whose first answer is right; the number of questions.
    """
    splits = corpus(SEED)
    known = {name for each in splits["train"] for name in each.names.values()}
    submitted = files.read_json(answers)["questions"]
    first = {each["id"]: each["exact_answer"][0][0] for each in submitted}
    rights = [
        first[question.id].lower() == name.lower()
        for each in splits["test"]
        for question in each.questions
        if question.role in _DOUBLE_ROLES
        and (name := each.names[question.role]) not in known
    ]
    return sum(rights), len(rights)


def story(
    rules: grammar.Rules, rng: random.Random, told: set[str], num_passages: int
) -> Story:
    """Returns a story; its passages are not in `told`, and are added to it."""
    names = {role: _expanded(f"${role}_name", rules, rng) for role in _SINGLE_ROLES}
    kinds: dict[str, str] = {}
    for group in ("drug", "disease"):
        for i, kind in enumerate(rng.sample(rules[group], 2), start=1):
            kinds[f"{group}{i}"] = kind
            names[f"{group}{i}"] = rng.choice(rules[kind])
    marked = {role: (f"[{role} {name}]",) for role, name in names.items()}
    passages: list[Passage] = []
    while len(passages) < num_passages:
        passage = _passage({**rules, **marked}, rng)
        if passage.text not in told:
            told.add(passage.text)
            passages.append(passage)
    known = {**rules, **{role: (name,) for role, name in names.items()}}
    questions = []
    for role in (*_DOUBLE_ROLES, rng.choice(_SINGLE_ROLES)):
        known["kind"] = (kinds.get(role, ""),)
        text = _expanded(f"${role.rstrip('12')}_question", known, rng)
        questions.append(Question(f"{rng.getrandbits(96):024x}", text, role))
    return Story(names, tuple(passages), tuple(questions))


def _passage(rules: grammar.Rules, rng: random.Random) -> Passage:
    """Returns a passage; `rules` label each role's name with the role."""
    labelled = list(grammar.expand("$passage", rules, rng))
    text, starts = grammar.prose(word for word, _ in labelled)
    begins = {
        label.removeprefix("B-"): start
        for (_, label), start in zip(labelled, starts, strict=True)
        if label.startswith("B-")
    }
    return Passage(text, begins)


def _expanded(text: str, rules: grammar.Rules, rng: random.Random) -> str:
    """Returns an expansion as running text."""
    return grammar.prose(word for word, _ in grammar.expand(text, rules, rng))[0]


def _paragraph(story: Story, number: int, *, has_answers: bool) -> dict[str, object]:
    """Returns a passage with the questions about it, in SQuAD's form."""
    passage = story.passages[number]

    def answers(role: str) -> dict[str, object]:
        answer = {"text": story.names[role], "answer_start": passage.starts[role]}
        return {"answers": [answer]} if has_answers else {}

    asked = [
        {"id": f"{id_}_{number:03}", "question": text, **answers(role)}
        for id_, text, role in story.questions
    ]
    return {"context": passage.text, "qas": asked}
