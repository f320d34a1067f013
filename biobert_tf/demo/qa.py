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
* the kinds are not in the passage and must be learnt, and one in four drugs or diseases
  of the test file is made of words that are not in the training file, with morphemes
  that are (`ox|acillin`, `fibro|sarcoma`).
"""

import random
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from biobert_tf.common import files
from biobert_tf.demo import grammar


class Passage(NamedTuple):
    """A text that tells a story.

    Attributes:
        text: The text.
        starts: Offset of the only mention of each role's name.
    """

    text: str
    starts: Mapping[str, int]


class Question(NamedTuple):
    """A question about a story.

    Attributes:
        id: 24 hexadecimal digits, as in BioASQ.
        text: The question.
        role: The role whose name is the answer.
    """

    id: str
    text: str
    role: str


class Story(NamedTuple):
    """A story with the passages that tell it and the questions about it.

    Attributes:
        names: The name of each of `ROLES`.
        passages: Passages that each tell the whole story, in different words.
        questions: Questions about different roles.
    """

    names: Mapping[str, str]
    passages: tuple[Passage, ...]
    questions: tuple[Question, ...]


NUM_STORIES: Final = {"train": 800, "test": 40}

# Every story has a question about each double role, and about one single role.
_DOUBLE_ROLES: Final = ("drug1", "drug2", "disease1", "disease2")
_SINGLE_ROLES: Final = ("dose", "time", "who")
ROLES: Final = (*_DOUBLE_ROLES, *_SINGLE_ROLES)

# In the notation of `grammar`. The rules of the roles' names and of a question's
# `$kind` are added for each story.
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

# A passage that is not in the corpus.
PASSAGE: Final = (
    "In this study, children with nephritis received amoxicillin (4.5 mg/kg) for 3 "
    "months, but developed pneumonia after silver."
)
# Questions about it, with their answers.
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
    """Returns `num` stories; no two share a passage.

    Args:
        num: Number of stories.
        rng: The only source of randomness; it is advanced.
        num_passages: Number of passages of a story.
        held_out: Whether to use also the names that the training file must not have.
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
    """Returns the stories of `train` and `test`, which share no passage."""
    rng = random.Random(seed)
    train = stories(NUM_STORIES["train"], rng, num_passages=1, held_out=False)
    told = [passage.text for story in train for passage in story.passages]
    num_test = NUM_STORIES["test"]
    test = stories(num_test, rng, num_passages=2, held_out=True, exclude=told)
    return {"train": train, "test": test}


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
        kinds: The kinds of drugs and diseases, with the names of each.
        rng: The source of randomness.
        num_passages: Number of passages of the story.
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
    """Returns a question about a role; `kind` is the kind of its name, or empty."""
    known = {"kind": (kind,), **{role: (name,) for role, name in names.items()}}
    text = _expanded(f"${role.rstrip('12')}_question", {**rules, **known}, rng)
    return Question(f"{rng.getrandbits(96):024x}", text, role)


def _expanded(text: str, rules: grammar.Rules, rng: random.Random) -> str:
    """Returns an expansion as running text."""
    return grammar.prose([word for word, _ in grammar.expand(text, rules, rng)])[0]


def _paragraph(story: Story, number: int, *, has_answers: bool) -> dict[str, object]:
    """Returns a passage with the questions about it, in SQuAD's form."""
    passage = story.passages[number]
    asked = []
    for id_, text, role in story.questions:
        entry: dict[str, object] = {"id": f"{id_}_{number:03}", "question": text}
        if has_answers:
            answer = {"text": story.names[role], "answer_start": passage.starts[role]}
            entry["answers"] = [answer]
        asked.append(entry)
    return {"context": passage.text, "qas": asked}


def _squad(paragraphs: Sequence[dict[str, object]]) -> dict[str, object]:
    return {"version": "demo", "data": [{"title": "demo", "paragraphs": paragraphs}]}
