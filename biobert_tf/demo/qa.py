# SPDX-License-Identifier: Apache-2.0
"""Makes the small set of questions that `biobert demo --task=qa` trains on.

Nothing here comes from a released data set: as in `demo`, a grammar, written for this
project, is expanded at random into English passages that mean nothing. Each is about
two drugs, two diseases, a dose, a time and a group of patients. What makes the
questions about it worth learning:

* a passage comes with five questions, each with another answer, so that who does not
  read the question answers one in five;
* one drug is asked for by its kind (`Which statin ...?`), and so is one disease, while
  the other of the two stands in the same places of the same sentences: who sees no more
  of a question than drug, disease, dose, time or group answers three in five;
* the kinds are not in the passage: they must be learnt, and one drug or disease in
  four of the test is of words that the training file never shows, made of morphemes
  that it does show (`ox|acillin`, `fibro|sarcoma`).
"""

import random
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from biobert_tf.common import files
from biobert_tf.demo import grammar


class Passage(NamedTuple):
    """A text that tells a story.

    Attributes:
        text: The text.
        starts: By role, where the one mention of its name begins.
    """

    text: str
    starts: Mapping[str, int]


class Question(NamedTuple):
    """What is asked about a story.

    Attributes:
        id: 24 hexadecimal digits, as BioASQ's.
        text: The question.
        role: Whose name is the answer.
    """

    id: str
    text: str
    role: str


class Story(NamedTuple):
    """What happened, how it is told, and what is asked about it.

    Attributes:
        names: The name of every one of `ROLES`.
        passages: All of them tell all of it, in different words.
        questions: No two about the same role.
    """

    names: Mapping[str, str]
    passages: tuple[Passage, ...]
    questions: tuple[Question, ...]


NUM_STORIES: Final = {"train": 800, "test": 40}

# Of every story all of the first are asked for, and one of the others.
_DOUBLE_ROLES: Final = ("drug1", "drug2", "disease1", "disease2")
_SINGLE_ROLES: Final = ("dose", "time", "who")
ROLES: Final = (*_DOUBLE_ROLES, *_SINGLE_ROLES)

# In the notation of `grammar`. The names of the roles, and the kind of what a question
# asks for, are put in story by story.
_GRAMMAR: Final = """
passage: $opening $who with $disease1 received $drug1 ( $dose ) for $time , but
    developed $disease2 after $drug2 .
  | $opening $drug1 ( $dose ) improved $disease1 in $who after $time , but $drug2 caused
    $disease2 .
  | $opening $disease2 in $who was caused by $drug2 , and $disease1 was treated with
    $drug1 ( $dose ) for $time .
  | $opening after $time of $drug2 and $drug1 ( $dose ) , $who with $disease1 developed
    $disease2 .
  | $opening $disease1 and $disease2 in $who improved after $time of $drug1 and $drug2
    ( $dose ) .
  | $opening $drug1 , given with $drug2 ( $dose ) for $time , reduced $disease1 and
    $disease2 in $who .
opening: Overall , | In this trial , | In this study , | During follow-up ,

dose_name: ## mg | # mg/kg | #.# mg/kg
time_name: # weeks | ## days | # months | ## hours
who_name: women | men | children | adults | mice | patients

drug_question: Which $kind was given ? | Which $kind did $who receive ?
  | Which $kind was used in $who ?
disease_question: Which $kind did $who have ? | Which $kind was reported ?
  | Which $kind was found in $who ?
dose_question: What dose was given ? | What dose did $who receive ?
time_question: How long were $who treated ? | How long was the treatment ?
who_question: Who had $disease1 ? | Who received $drug1 ? | Who was treated ?
"""

# The kinds of drugs and diseases, with the names of each.
_KINDS: Final = {
    "drug": """
statin = lovastatin simvastatin atorvastatin
penicillin = ampicillin amoxicillin
azole = fluconazole itraconazole ketoconazole
steroid = prednisone prednisolone dexamethasone
metal = lithium zinc gold silver potassium
acid: folic acid | retinoic acid | valproic acid | ascorbic acid
""",
    "disease": """
heart disease: tachycardia | cardiomyopathy | cardiac arrest | cardiac dysfunction
liver disease: hepatitis | cirrhosis | hepatic failure | hepatic injury
kidney disease: nephropathy | nephritis | renal failure | renal dysfunction
lung disease: asthma | pneumonia | COPD | respiratory failure
cancer = melanoma lymphoma sarcoma glioma carcinoma
""",
}

# Further names, only in the test file.
_HELD_OUT: Final = """
statin = rosuvastatin
penicillin = oxacillin
azole = voriconazole
steroid = betamethasone
acid: nicotinic acid
heart disease: bradycardia | cardiac failure
liver disease: hepatic dysfunction
kidney disease: renal injury
lung disease: respiratory dysfunction
cancer = fibrosarcoma adenocarcinoma
"""

# Not in the corpus.
PASSAGE: Final = (
    "In this study, children with nephritis received amoxicillin (4.5 mg/kg) for 3 "
    "months, but developed pneumonia after silver."
)
# With the answers.
QUESTIONS: Final = {
    "Which penicillin did children receive?": "amoxicillin",
    "Which lung disease was reported?": "pneumonia",
}


def stories(
    num: int,
    rng: random.Random,
    *,
    num_passages: int,
    held_out: bool,
    exclude: Iterable[str] = (),
) -> list[Story]:
    """Returns `num` stories; no passage tells two of them.

    Args:
        num: How many.
        rng: The only source of randomness; it is advanced.
        num_passages: How many tell a story.
        held_out: Also use the names that are kept from the training file.
        exclude: Texts of passages not to return.
    """
    kinds = {group: grammar.parse(text) for group, text in _KINDS.items()}
    if held_out:
        further = grammar.parse(_HELD_OUT)
        for names in kinds.values():
            names.update({kind: names[kind] + further.get(kind, ()) for kind in names})
    told = set(exclude)
    found: list[Story] = []
    while len(found) < num:
        story = _story(kinds, rng, num_passages)
        texts = {passage.text for passage in story.passages}
        if told.isdisjoint(texts):
            told |= texts
            found.append(story)
    return found


def corpus(seed: int) -> dict[str, list[Story]]:
    """Returns the stories of `train` and `test`; no passage stands in both."""
    rng = random.Random(seed)
    train = stories(NUM_STORIES["train"], rng, num_passages=1, held_out=False)
    told = [passage.text for story in train for passage in story.passages]
    num_test = NUM_STORIES["test"]
    test = stories(num_test, rng, num_passages=2, held_out=True, exclude=told)
    return {"train": train, "test": test}


def write_corpus(directory: Path, seed: int) -> None:
    """Writes `train.json`, `test.json` and `golden.json` as BioBERT's files of BioASQ.

    The first two in SQuAD's form, a question once for each of its passages, with the
    passage's number after the id: `<id>_000`, `<id>_001`; only the first has answers.
    The last in BioASQ's form: the questions of the second, with their answers.

    Raises:
        InputError: The directory cannot be written.
    """
    splits = corpus(seed)
    for name, told in splits.items():
        paragraphs = [
            _paragraph(story, number, has_answers=name == "train")
            for story in told
            for number in range(len(story.passages))
        ]
        files.write_json(directory / f"{name}.json", _squad(paragraphs))
    golden = [
        {
            "id": question.id,
            "type": "factoid",
            "body": question.text,
            "exact_answer": [[story.names[question.role]]],
        }
        for story in splits["test"]
        for question in story.questions
    ]
    files.write_json(directory / "golden.json", {"questions": golden})


def _story(
    kinds: Mapping[str, grammar.Rules], rng: random.Random, num_passages: int
) -> Story:
    """Returns a random story.

    Args:
        kinds: Of drugs and diseases, with the names of each.
        rng: The source of randomness.
        num_passages: How many tell it.
    """
    rules = grammar.parse(_GRAMMAR)
    names = {role: _expanded(f"${role}_name", rules, rng) for role in _SINGLE_ROLES}
    kind_of: dict[str, str] = {}
    for group, names_of in kinds.items():
        two = rng.sample(list(names_of), 2)
        for role, kind in zip((f"{group}1", f"{group}2"), two, strict=True):
            kind_of[role] = kind
            names[role] = rng.choice(names_of[kind])
    passages: dict[str, Passage] = {}
    while len(passages) < num_passages:
        passage = _passage(names, rules, rng)
        passages[passage.text] = passage
    questions = [
        _question(role, kind_of.get(role, ""), names, rules, rng)
        for role in (*_DOUBLE_ROLES, rng.choice(_SINGLE_ROLES))
    ]
    return Story(names, tuple(passages.values()), tuple(questions))


def _passage(
    names: Mapping[str, str], rules: grammar.Rules, rng: random.Random
) -> Passage:
    marked = {role: (f"[{role} {name}]",) for role, name in names.items()}
    labelled = list(grammar.expand("$passage", {**rules, **marked}, rng))
    text, starts = grammar.prose([word for word, _ in labelled])
    begins = {
        label.removeprefix("B-"): start
        for (_, label), start in zip(labelled, starts, strict=True)
        if label.startswith("B-")
    }
    return Passage(text, begins)


def _question(
    role: str,
    kind: str,
    names: Mapping[str, str],
    rules: grammar.Rules,
    rng: random.Random,
) -> Question:
    """Returns a question about a role, whose name is of the given kind, if of any."""
    known = {"kind": (kind,), **{role: (name,) for role, name in names.items()}}
    text = _expanded(f"${role.rstrip('12')}_question", {**rules, **known}, rng)
    return Question(f"{rng.getrandbits(96):024x}", text, role)


def _expanded(text: str, rules: grammar.Rules, rng: random.Random) -> str:
    """Returns an expansion as running text."""
    return grammar.prose([word for word, _ in grammar.expand(text, rules, rng)])[0]


def _paragraph(story: Story, number: int, *, has_answers: bool) -> dict[str, Any]:
    """Returns a passage with the questions about it, in SQuAD's form."""
    passage = story.passages[number]
    asked = []
    for id_, text, role in story.questions:
        entry: dict[str, Any] = {"id": f"{id_}_{number:03}", "question": text}
        if has_answers:
            answer = {"text": story.names[role], "answer_start": passage.starts[role]}
            entry["answers"] = [answer]
        asked.append(entry)
    return {"context": passage.text, "qas": asked}


def _squad(paragraphs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    return {"version": "demo", "data": [{"title": "demo", "paragraphs": paragraphs}]}
