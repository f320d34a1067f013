# SPDX-License-Identifier: Apache-2.0
"""Reads the abstracts of wanted PMIDs out of local PubMed files.

Memory grows with the number of wanted abstracts, and by a few bytes for each record of
the files, not with their text.
"""

import bisect
import dataclasses
import functools
import itertools
import re
from collections.abc import Collection
from typing import Final

from biobert_tf.common.comma_lists import FileGlobs
from biobert_tf.common.errors import InputError
from biobert_tf.corpora import reading
from biobert_tf.corpora.document import Document, Skipped
from biobert_tf.corpora.settings import CorpusConfig
from biobert_tf.text import sentences
from biobert_tf.text.sentences import Span

# At the end of http://www.ncbi.nlm.nih.gov/pubmed/123, or the number alone.
_PMID: Final = re.compile(r"(?:^|[/:])0*([1-9][0-9]{0,8})/?$")


@dataclasses.dataclass(frozen=True)
class Abstract:
    """The title and the abstract of a citation as one text.

    Attributes:
        text: Title and parts of the abstract, joined by single spaces.
        starts: Where the title and each of the parts begin.
    """

    text: str
    starts: tuple[int, ...]

    @classmethod
    def of(cls, document: Document) -> "Abstract":
        """Returns the paragraphs of a document as one text."""
        *starts, _ = itertools.accumulate(
            (len(paragraph) + 1 for paragraph in document.paragraphs), initial=0
        )
        return cls(" ".join(document.paragraphs), tuple(starts))

    def locate(self, snippet: str, is_title: bool) -> Span | None:
        """Returns where a snippet stands, whatever the white space in it.

        The snippet is as `corpora.document.normalize` leaves it, not empty. If it is
        not in the title, a place behind the title is taken rather than one in it.
        """
        # BioASQ has no space between the parts of an abstract.
        squeezed, wanted = self.text.replace(" ", ""), snippet.replace(" ", "")
        start = -1
        if not is_title and len(self.starts) > 1:
            behind = bisect.bisect_left(self._letters, self.starts[1])
            start = squeezed.find(wanted, behind)
        if start < 0:
            start = squeezed.find(wanted)
        if start < 0:
            return None
        return self._letters[start], self._letters[start + len(wanted) - 1] + 1

    def widened(self, span: Span, num_sentences: int) -> Span:
        """Returns the sentences that a span touches, and more on either side of them.

        There are `num_sentences` more, or as many as the text has.
        """
        touched = [
            i
            for i, (start, end) in enumerate(self._sentences)
            if start < span[1] and span[0] < end
        ]
        first = max(touched[0] - num_sentences, 0)
        last = min(touched[-1] + num_sentences, len(self._sentences) - 1)
        return self._sentences[first][0], self._sentences[last][1]

    @functools.cached_property
    def _letters(self) -> list[int]:
        """Returns the places of all characters that are no spaces."""
        return [place for place, letter in enumerate(self.text) if letter != " "]

    @functools.cached_property
    def _sentences(self) -> list[Span]:
        """Returns the sentences; the end of a title or of a part ends one."""
        ends = (*(start - 1 for start in self.starts[1:]), len(self.text))
        return [
            (begin + start, begin + end)
            for begin, stop in zip(self.starts, ends, strict=True)
            for start, end in sentences.spans(self.text[begin:stop])
        ]


@dataclasses.dataclass(frozen=True)
class Abstracts:
    """The abstracts that were found.

    Attributes:
        by_pmid: Each with its title.
        num_damaged: Records of the files that could not be read.
    """

    by_pmid: dict[str, Abstract] = dataclasses.field(default_factory=dict)
    num_damaged: int = 0

    def of(self, document: str) -> Abstract | None:
        """Returns the abstract of a document of BioASQ, or None."""
        return self.by_pmid.get(pmid(document) or "")


def pmid(document: str) -> str | None:
    """Returns the PMID that the URL of a document ends in; None: in no PMID."""
    match = _PMID.search(document)
    return match[1] if match else None


def read_abstracts(patterns: FileGlobs, wanted: Collection[str]) -> Abstracts:
    """Reads the newest version of each wanted citation.

    The files of a glob are taken as published in the order of their names, as PubMed's
    are. Without wanted PMIDs no file is read.

    Raises:
        InputError: A glob matches no file, a file cannot be opened, or no file holds
            any of the wanted citations.
    """
    paths = patterns.files()
    if not wanted:
        return Abstracts()
    config = CorpusConfig()
    options = reading.ReadOptions(config, reading.find_current(paths, config))
    num_damaged = 0

    def skip(skipped: Skipped) -> None:
        nonlocal num_damaged
        num_damaged += skipped.is_damage

    found = {}
    for document in reading.corpus(paths, options, skip):
        space, _, number = document.id.partition(":")
        if space == "PMID" and number in wanted:
            found[number] = Abstract.of(document)
    if not found:
        raise InputError(
            f"--abstracts={patterns}: none of the {len(wanted):,} abstracts that the "
            f"snippets are from is in {len(paths)} file(s)"
        )
    return Abstracts(found, num_damaged)
