# SPDX-License-Identifier: Apache-2.0
"""Makes the small relation corpus that `biobert demo --task=re` trains on.

Nothing here comes from a released data set: as in `ner`, a grammar, written for this
project, is expanded at random into meaningless English sentences. Each is about one
chemical and one disease, `@CHEMICAL$` and `@DISEASE$`; its label is 1 if it says that
this chemical caused this disease, else 0. Two properties make the task hard enough:

* nearly every sentence names another drug or disease too, and six in ten occur with
  both labels, with two names exchanged: only the order of words decides;
* the chemical may be the treatment of the disease, or the relation may be denied, in
  words that state the relation elsewhere.
"""

import json
import random
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Final

from biobert_tf.common import files
from biobert_tf.demo import grammar

# A sentence with placeholders, and its label.
Sentence = tuple[str, str]

LABELS: Final = ("0", "1")
# Half of the sentences of each have the label 1.
NUM_SENTENCES: Final = {"train": 1000, "dev": 120, "test": 200}

# In the notation of `grammar`. `$C` and `$D` are the pair that is labelled. Line by
# line, the alternatives of `1` and `0` are pairs: in ten, names are exchanged; in six,
# a word differs. Names are one word each.
_GRAMMAR: Final = """
1: $opening $C $caused $D in $who given $drug .
  | $opening $C , not $drug , $caused $D in $who .
  | $opening $D in $who on $drug was caused by $C .
  | $opening $D was caused by $C , not by $drug .
  | $opening $C , given for $ill , $caused $D in $who .
  | $opening $drug $eased $ill , but $D was caused by $C .
  | $opening $who with $ill developed $D after $C .
  | $opening $C $eased $ill but $caused $D in $who .
  | $opening no $ill was seen after $C , but $D was .
  | $opening $C - induced $D was $reported in $who on $drug .
  | $opening $C $caused $D in # of ## $people .
  | $opening $D in $who with $ill $left when $C was stopped .
  | $opening the risk of $D in $who on $drug was increased by $C .
  | $opening # $people on $drug died of $D after $C .
  | $opening $who with $ill had $D after an overdose of $C .
  | $opening $C had fatal toxicity , in particular $D , in $who on $drug .

0: $opening $drug $caused $D in $who given $C .
  | $opening $drug , not $C , $caused $D in $who .
  | $opening $D in $who on $C was caused by $drug .
  | $opening $D was caused by $drug , not by $C .
  | $opening $C , given for $D , $caused $ill in $who .
  | $opening $C $eased $D , but $ill was caused by $drug .
  | $opening $who with $D developed $ill after $C .
  | $opening $C $eased $D but $caused $ill in $who .
  | $opening no $D was seen after $C , but $ill was .
  | $opening $drug - induced $D was $reported in $who on $C .
  | $opening $C $caused no $D in the ## $people .
  | $opening $D in $who with $ill $left when $C was given .
  | $opening the risk of $D in $who on $drug was reduced by $C .
  | $opening # $people on $drug with $D recovered after $C .
  | $opening $C was the standard treatment of $D in $who with $ill .
  | $opening $C was effective against persistent $D in $who on $drug .

opening: In this $trial , | During follow-up , | Overall , | At our hospital ,
trial = trial study cohort
C: [Chemical $drug]
D: [Disease $ill]
caused: caused | induced | led to
eased = improved reduced prevented
left = improved fell
reported = reported observed described
who: patients | women | men | children | adults | mice
people = patients women men children adults
drug = bupivacaine caffeine cocaine ethanol ketamine lovastatin penicillin prednisone
  tacrolimus amoxicillin amphetamine ampicillin atorvastatin clozapine dopamine
  doxorubicin lidocaine losartan olanzapine prednisolone simvastatin sirolimus morphine
  diazepam zinc lithium
ill = arthritis colitis depression diabetes encephalopathy hepatoma schizophrenia
  stroke anemia cystitis encephalitis hepatitis myalgia nephropathy sarcoma sepsis
  thrombosis asthma dementia dystonia lymphoma melanoma meningitis nausea neuropathy
  osteopenia
"""

# A text of such sentences with all names marked; none is in the corpus. `fluconazole`
# and `neuralgia` are not in the grammar.
_DOCUMENT: Final = """
In this trial , [Chemical penicillin] caused [Disease colitis] in women given
[Chemical fluconazole] . Overall , [Chemical caffeine] improved [Disease neuralgia] but
led to [Disease nausea] in children . During follow-up , [Chemical lithium] , given for
[Disease depression] , induced [Disease nephropathy] in men .
"""
# The text's relations, (chemical, disease); other pairs in a sentence have none.
DOCUMENT_RELATIONS: Final = frozenset(
    {("penicillin", "colitis"), ("caffeine", "nausea"), ("lithium", "nephropathy")}
)


def sentences(
    num: int, rng: random.Random, exclude: Collection[Sentence] = frozenset()
) -> list[Sentence]:
    """Returns `num` different labelled sentences, half of them with each label.

    Args:
        num: Number of sentences.
        rng: The only source of randomness; it is advanced.
        exclude: Sentences not to return.
    """
    rules = grammar.parse(_GRAMMAR)
    # A dict keeps the order of insertion; a set does not.
    found: dict[Sentence, None] = {}
    while len(found) < num:
        label = LABELS[len(found) % 2]
        sentence = _anonymised(grammar.expand(f"${label}", rules, rng)), label
        if sentence not in exclude:
            found[sentence] = None
    in_random_order = list(found)
    rng.shuffle(in_random_order)
    return in_random_order


def corpus(seed: int) -> dict[str, list[Sentence]]:
    """Returns the sentences of `train`, `dev` and `test`; no two share one."""
    rng = random.Random(seed)
    splits: dict[str, list[Sentence]] = {}
    seen: set[Sentence] = set()
    for name, num in NUM_SENTENCES.items():
        splits[name] = sentences(num, rng, exclude=seen)
        seen.update(splits[name])
    return splits


def write_corpus(directory: Path, seed: int) -> None:
    """Writes `train.tsv`, `dev.tsv` and `test.tsv` in the form of BioBERT's data sets.

    Only `test.tsv` has a header and a column `index`.

    Raises:
        InputError: The directory cannot be written.
    """
    splits = corpus(seed)
    for name in ("train", "dev"):
        files.write_text(directory / f"{name}.tsv", _table(splits[name]))
    files.write_text(directory / "test.tsv", _test_table(splits["test"]))


def write_folds(directory: Path, seed: int, num_folds: int) -> None:
    """Writes the corpus as folders `1`, `2`, ... for cross-validation.

    Every sentence is in the `test.tsv` of one fold and the `train.tsv` of all others;
    there is no `dev.tsv`, as in the published folds of GAD and EU-ADR.

    Args:
        directory: The directory for the folders.
        seed: Random seed of the corpus.
        num_folds: Number of folds, at least 2.

    Raises:
        InputError: The directory cannot be written.
    """
    everything = [sentence for part in corpus(seed).values() for sentence in part]
    for fold in range(num_folds):
        test = everything[fold::num_folds]
        train = [s for i, s in enumerate(everything) if i % num_folds != fold]
        folder = directory / str(fold + 1)
        files.write_text(folder / "train.tsv", _table(train))
        files.write_text(folder / "test.tsv", _test_table(test))


def write_documents(path: Path) -> None:
    """Writes a text with marked chemicals and diseases as JSON lines.

    It is one document, `demo`, without its relations, which are `DOCUMENT_RELATIONS`.

    Raises:
        InputError: The directory cannot be written.
    """
    labelled = list(grammar.expand(_DOCUMENT, {}, random.Random(0)))
    text, starts = grammar.prose([word for word, _ in labelled])
    marked = [
        {"start": start, "end": start + len(word), "type": label.removeprefix("B-")}
        for (word, label), start in zip(labelled, starts, strict=True)
        if label != "O"
    ]
    entities = [{"id": f"T{i}", **entity} for i, entity in enumerate(marked, start=1)]
    document = {"id": "demo", "text": text, "entities": entities}
    files.write_text(path, json.dumps(document) + "\n")


def _anonymised(labelled: Iterable[tuple[str, str]]) -> str:
    """Returns a sentence with placeholders for the labelled words."""
    words = [
        word if label == "O" else f"@{label.removeprefix('B-').upper()}$"
        for word, label in labelled
    ]
    return grammar.prose(words)[0]


def _table(rows: Iterable[Sequence[str]]) -> str:
    return "".join("\t".join(row) + "\n" for row in rows)


def _test_table(test: Sequence[Sentence]) -> str:
    rows = ((str(i), *sentence) for i, sentence in enumerate(test))
    return _table([("index", "sentence", "label"), *rows])
