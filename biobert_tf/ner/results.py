# SPDX-License-Identifier: Apache-2.0
"""Writes predicted words as the original does: `NER_result_conll.txt` and its report.

The lines cited below are those of `biocodes/ner_detokenize.py` in dmis-lab/biobert.
"""

from collections.abc import Iterable, Sequence

from biobert_tf.common.settings import Compat
from biobert_tf.ner import conlleval
from biobert_tf.ner.reading import OUTSIDE
from biobert_tf.ner.scores import UNTYPED


def printed(
    sentences: Iterable[conlleval.Sentence], compat: Compat
) -> list[conlleval.Sentence]:
    """Returns the gold and the predicted labels of sentences as they are printed.

    PARITY(ner_detokenize.py:152): labels without a type get `-MISC`, `O` included where
    the original writes the file.
    """

    def shown(label: str) -> str:
        if compat == "fixed" and label[0] == OUTSIDE:
            return OUTSIDE
        is_whole = compat == "fixed" and "-" in label
        return label if is_whole else f"{label}-{UNTYPED}"

    return [([*map(shown, a)], [*map(shown, b)]) for a, b in sentences]


def conll(words: Iterable[Sequence[str]], columns: Iterable[conlleval.Sentence]) -> str:
    """Returns `word gold predicted` lines, as conlleval reads them.

    `columns` are those of `printed`, for the sentences that hold these words.
    """
    lines: list[str] = []
    for sentence, pair in zip(words, columns, strict=True):
        lines += map(" ".join, zip(sentence, *pair, strict=True))
        lines.append("")
    return "\n".join(lines) + "\n"


def debug_report(sentences: Iterable[tuple[Sequence[str], Sequence[str]]]) -> str:
    """Returns what ner_detokenize.py --debug writes (lines 115-125), to the end.

    A sentence is its words, and its pieces without `[CLS]` and `[SEP]`: they make fewer
    words if it was cut. The original stops at the first sentence where the numbers of
    words differ.
    """
    lines = []
    for words, pieces in sentences:
        joined = " ".join(pieces).replace(" ##", "").split()
        for name, shown in (("ANS", words), ("PRD", joined)):
            lines.append(f"{name} ({len(shown)}): {' '.join(shown)}\n")
        lines.append("\n")
    return "".join(lines)
