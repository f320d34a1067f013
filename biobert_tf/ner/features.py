# SPDX-License-Identifier: Apache-2.0
"""Turns sentences into records.

`fixed` shows a long sentence in several windows; `master` and `paper` cut it as the
original does and may lose words. A record says which of its pieces stands for which
word, so nothing is guessed from `##` afterwards.
"""

import dataclasses
from collections.abc import Sequence
from typing import Final

from biobert_tf.common.errors import InputError
from biobert_tf.common.settings import Compat
from biobert_tf.ner import reading
from biobert_tf.ner.reading import OUTSIDE, NerExample, paper_chunks
from biobert_tf.text.rows import ALL
from biobert_tf.text.tokenization import FullTokenizer
from biobert_tf.text.windows import cut_windows
from biobert_tf.training.records import Features, FeatureSpec, Specs

UNLABELLED: Final = -1
"""Label id of a position that the loss ignores (`fixed` only)."""


@dataclasses.dataclass(frozen=True)
class NerRecord:
    """One row of model input, and the words whose labels are read from it.

    Attributes:
        features: See `Featurizer.specs`.
        pieces: The WordPieces of the row, `[CLS]` and `[SEP]` included.
        example: Index of the sentence.
        words: For every word whose label is read from this row, its index in the
            sentence and its first piece's index in the row.
    """

    features: Features
    pieces: tuple[str, ...]
    example: int
    words: tuple[tuple[int, int], ...]


@dataclasses.dataclass(frozen=True)
class Featurizer:
    """Turns sentences into records of `max_seq_length` pieces.

    Attributes:
        labels: The labels that can be predicted; a label's index is its id.
    """

    tokenizer: FullTokenizer
    labels: tuple[str, ...]
    max_seq_length: int
    compat: Compat

    @property
    def specs(self) -> Specs:
        """Returns the original's features (run_ner.py:313-320)."""
        # The loss ignores padding rows; padding inside a row counts in the original's.
        padding, is_short = {"label_ids": UNLABELLED}, self.compat == "fixed"
        return {
            name: FeatureSpec(
                self.max_seq_length, padding=padding.get(name, 0), is_short=is_short
            )
            for name in ("input_ids", "input_mask", "segment_ids", "label_ids")
        }

    def featurize(self, examples: Sequence[NerExample]) -> list[NerRecord]:
        """Returns the records of all sentences, in order."""
        return [
            record
            for index, example in enumerate(examples)
            for record in self.records(index, example)
        ]

    def records(self, index: int, example: NerExample) -> list[NerRecord]:
        """Returns the records of the sentence with this index.

        With `fixed`, every word is in the `words` of exactly one record. `master` drops
        words beyond `max_seq_length`; `paper` also cuts every 30 words.
        """
        if self.compat == "fixed":
            return self._windows(index, example)
        whole = range(len(example.words))
        chunks = paper_chunks(example) if self.compat == "paper" else [whole]
        return [self._truncated(index, example, chunk) for chunk in chunks]

    # --- fixed -----------------------------------------------------------------------

    def ends(self, scope: str = ALL) -> tuple[list[str], list[str]]:
        """Returns the pieces before and after the words of a row.

        They are `[CLS]` and `[SEP]`, and inside them AIONER's frame `<scope>`,
        `</scope>` if the labels have `O-TYPE`. AIONER adds each of these marks to its
        vocabulary; here they are cut into pieces like any word.
        """
        if not reading.is_framed(self.labels):
            return ["[CLS]"], ["[SEP]"]
        before, after = map(self.tokenizer.tokenize, (f"<{scope}>", f"</{scope}>"))
        return ["[CLS]", *before], [*after, "[SEP]"]

    def _windows(self, index: int, example: NerExample) -> list[NerRecord]:
        first, last = self.ends(example.scope)
        room = self.max_seq_length - len(first) - len(last)
        if room < 1:
            raise InputError(
                f"--max_seq_length={self.max_seq_length}: no room for words in the "
                f"frame {' '.join([*first, *last])}"
            )
        unknown = ["[UNK]"]
        # A word of control characters only has no pieces but needs a label. A word
        # longer than a window is shown by its beginning.
        pieces = [
            (self.tokenizer.tokenize(word) or unknown)[:room] for word in example.words
        ]
        label_ids = {label: i for i, label in enumerate(self.labels)}
        records = []
        for window in cut_windows([len(p) for p in pieces], room):
            row, row_labels, words = [*first], [UNLABELLED] * len(first), []
            for word in range(window.start, window.end):
                is_decided = word in window.decides
                if is_decided:
                    words.append((word, len(row)))
                # A label that is not in the list counts as outside.
                label = label_ids.get(example.labels[word], 0) if example.labels else 0
                row += pieces[word]
                row_labels += [label if is_decided else UNLABELLED]
                row_labels += [UNLABELLED] * (len(pieces[word]) - 1)
            row, row_labels = [*row, *last], [*row_labels, *[UNLABELLED] * len(last)]
            records.append(self._record(row, row_labels, UNLABELLED, index, words))
        return records

    # --- master, paper ---------------------------------------------------------------

    def _truncated(self, index: int, example: NerExample, chunk: range) -> NerRecord:
        """Makes the original's features (run_ner.py:213-288) of some words."""
        row, labels, words = ["[CLS]"], ["[CLS]"], []
        for word in chunk:
            pieces = self.tokenizer.tokenize(example.words[word])
            # PARITY(run_ner.py:225-228): a word without pieces vanishes.
            if pieces and len(row) < self.max_seq_length - 1:
                words.append((word, len(row)))
            row += pieces
            # PARITY(run_ner.py:232): the further pieces of a word are a class, X.
            word_labels = [example.labels[word] if example.labels else OUTSIDE]
            labels += (word_labels + ["X"] * (len(pieces) - 1))[: len(pieces)]
        # PARITY(run_ner.py:235-237): what does not fit is dropped without a word.
        keep = self.max_seq_length - 1
        row, labels = [*row[:keep], "[SEP]"], [*labels[:keep], "[SEP]"]
        label_ids = [self.labels.index(label) for label in labels]
        return self._record(row, label_ids, 0, index, words)

    def _record(
        self,
        pieces: Sequence[str],
        label_ids: Sequence[int],
        label_padding: int,
        index: int,
        words: Sequence[tuple[int, int]],
    ) -> NerRecord:
        padding = [0] * (self.max_seq_length - len(pieces))
        features = {
            "input_ids": [*self.tokenizer.convert_tokens_to_ids(pieces), *padding],
            "input_mask": [1] * len(pieces) + padding,
            "segment_ids": [0] * self.max_seq_length,
            "label_ids": [*label_ids, *[label_padding] * len(padding)],
        }
        return NerRecord(features, tuple(pieces), index, tuple(words))
