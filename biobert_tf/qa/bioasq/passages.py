# SPDX-License-Identifier: Apache-2.0
"""Makes the passages of a question out of its snippets, by three strategies.

They are those of Yoon et al. 2019 (Pre-trained Language Model for Biomedical Question
Answering): the snippets as they are, the snippets with sentences of their abstracts
around them, and the whole abstracts.
"""

import dataclasses

from biobert_tf.qa.bioasq.abstracts import Abstracts, pmid
from biobert_tf.qa.bioasq.reading import Question, Snippet
from biobert_tf.qa.bioasq.settings import Strategy
from biobert_tf.text.sentences import Span


@dataclasses.dataclass(frozen=True)
class Passage:
    """A text to answer a question from.

    Attributes:
        text: As `corpora.document.normalize` leaves it, not empty.
        evidence: Where snippets stand in it, for those that are located.
    """

    text: str
    evidence: tuple[Span, ...] = ()


@dataclasses.dataclass
class Losses:
    """What could not be done as it was asked for.

    Attributes:
        empty: Snippets without text.
        unlocated: Snippets that are not in the text of their document. For appended
            they are passages as they are; an abstract is one in any case.
        missing: Documents that the files do not hold, each once: PMID, URL or "". Their
            snippets are passages as they are.
    """

    empty: int = 0
    unlocated: int = 0
    missing: dict[str, None] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class PassageMaker:
    """How to make passages.

    For `appended` and `abstract` there are the abstracts that were found; `appended`
    adds `num_sentences` on either side of a snippet.
    """

    strategy: Strategy
    abstracts: Abstracts
    num_sentences: int

    def passages(self, question: Question, losses: Losses) -> list[Passage]:
        """Returns the passages of a question, in the order of their first snippets.

        No two have the same text. What cannot be done is added to `losses`.
        """
        found: dict[str, list[Span]] = {}
        for snippet in question.snippets:
            if not snippet.text:
                losses.empty += 1
                continue
            text, place = self._passage(snippet, losses)
            found.setdefault(text, []).extend([place] if place else [])
        return [Passage(text, tuple(places)) for text, places in found.items()]

    def _passage(self, snippet: Snippet, losses: Losses) -> tuple[str, Span | None]:
        """Returns the passage of a snippet, and where the snippet is in it."""
        if self.strategy == "snippet":
            return snippet.text, None
        abstract = self.abstracts.of(snippet.document)
        if abstract is None:
            losses.missing[pmid(snippet.document) or snippet.document] = None
            return snippet.text, None
        place = abstract.locate(snippet.text, snippet.is_title)
        if place is None:
            losses.unlocated += 1
        if self.strategy == "abstract":
            return abstract.text, place
        if place is None:
            return snippet.text, None
        start, end = abstract.widened(place, self.num_sentences)
        return abstract.text[start:end], (place[0] - start, place[1] - start)
