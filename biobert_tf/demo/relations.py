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

The other drug or disease of a sentence of the test file may be one that training has
not; `unseen` counts the sentences with such a name.
"""

import itertools
import json
import random
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from biobert_tf.common import files
from biobert_tf.demo import grammar

# A sentence with placeholders, and its label.
Sentence = tuple[str, str]

# Half of the sentences of each have the label 1.
NUM_SENTENCES: Final = {"train": 1000, "dev": 120, "test": 200}

# `$C` and `$D` are the pair that is labelled. Line by line, the alternatives of `1` and
# `0` are pairs: in ten, names are exchanged; in six, a word differs. Names are one word
# each.
_GRAMMAR: Final = grammar.text("relations")

# Further names, only in the test file.
_HELD_OUT: Final = grammar.text("relations_held_out")

# A text of such sentences with all names marked; none is in the corpus, and the names
# `fluconazole` and `neuralgia` are not in training. The document was written before the
# present training data. The trained model finds its three relations and no other.
DOCUMENT: Final = Path(__file__).parent / "relations_document.jsonl"


def corpus(seed: int) -> dict[str, list[Sentence]]:
    """Returns the sentences of `train`, `dev` and `test`; no two share one."""
    rng = random.Random(seed)
    rules = grammar.parse(_GRAMMAR)

    def draw(number: int) -> Sentence:
        label = str(number % 2)
        return _anonymised(grammar.expand(f"${label}", rules, rng)), label

    seen: set[Sentence] = set()
    splits = {}
    for name, num in NUM_SENTENCES.items():
        if name == "test":
            rules = grammar.parse(_GRAMMAR, _HELD_OUT, _HELD_OUT)
        splits[name] = grammar.distinct(num, draw, seen)
        rng.shuffle(splits[name])
    return splits


def write_corpus(directory: Path, seed: int) -> None:
    """Writes `train.tsv`, `dev.tsv` and `test.tsv` in the form of BioBERT's data sets.

    Only `test.tsv` has a header and a column `index`.

    Raises:
        InputError: The directory cannot be written.
    """
    for name, part in corpus(seed).items():
        lines = ["\t".join(sentence) for sentence in part]
        if name == "test":
            numbered = [f"{i}\t{line}" for i, line in enumerate(lines)]
            lines = ["index\tsentence\tlabel", *numbered]
        text = "".join(f"{line}\n" for line in lines)
        files.write_text(directory / f"{name}.tsv", text)


def unseen(predictions: Path) -> tuple[int, int]:
    """Counts the test file's sentences with a drug or disease that training has not.

    Args:
        predictions: The `predictions.jsonl` of a run on that file.

    Returns:
        The number of sentences with the right label; the number of sentences.
    """
    new = set(itertools.chain(*grammar.parse(_HELD_OUT).values()))
    rows = map(json.loads, files.read_text(predictions).splitlines())
    rights = [
        row["label"] == row["gold"]
        for row in rows
        if new & set(re.findall(r"\w+", row["text"]))
    ]
    return sum(rights), len(rights)


def _anonymised(labelled: Iterable[tuple[str, str]]) -> str:
    """Returns a sentence with placeholders for the labelled words."""
    return grammar.prose(
        word if label == "O" else f"@{label.removeprefix('B-').upper()}$"
        for word, label in labelled
    )[0]
