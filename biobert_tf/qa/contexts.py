# SPDX-License-Identifier: Apache-2.0
"""Reads the texts that a question is asked about, each with where it comes from."""

import dataclasses
import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final

from biobert_tf.common import files, streams
from biobert_tf.common.comma_lists import FileGlobs
from biobert_tf.common.errors import InputError
from biobert_tf.corpora import reading
from biobert_tf.corpora.document import Skipped
from biobert_tf.corpora.settings import CorpusConfig

_LOG = logging.getLogger(__name__)

STANDARD_INPUT: Final = "-"


@dataclasses.dataclass(frozen=True)
class NamedText:
    """A text to look for an answer in.

    Attributes:
        source: The file, or the article in it (`PMID:123`).
        text: Of a text file, every character as it stands there, line ends included;
            of an article, its title and paragraphs, joined by single spaces.
    """

    source: str
    text: str


def read_contexts(patterns: FileGlobs) -> Iterator[NamedText]:
    """Yields the texts of files, in their order.

    A file of PubMed or PMC is read article by article, a text file is one text.

    Args:
        patterns: Globs of files; `-` is text from standard input.

    Raises:
        InputError: There is no such file, it cannot be read, or is not UTF-8. Articles
            that are damaged are reported and left out.
    """
    if patterns.text == STANDARD_INPUT:
        yield NamedText("standard input", _text(sys.stdin.buffer, "standard input"))
        return
    for path in patterns.files():
        if reading.is_text(path):
            with streams.open_file(path) as stream:
                unpacked = streams.decompressed(stream, str(path))
                yield NamedText(str(path), _text(unpacked, str(path)))
        else:
            yield from _articles(path)


def _articles(path: Path) -> Iterator[NamedText]:
    options = reading.ReadOptions(CorpusConfig())
    for document in reading.documents(path, options, _report):
        yield NamedText(document.id, " ".join(document.paragraphs))


def _report(skipped: Skipped) -> None:
    if skipped.is_damage:
        _LOG.warning(
            "%s: %s is left out: %s", skipped.path, skipped.position, skipped.reason
        )


def _text(stream: BinaryIO, name: str) -> str:
    try:
        data = b"".join(streams.chunks(stream))
    except streams.UnreadableError as error:
        raise InputError.at(name, None, str(error)) from None
    return files.decode(data, name)
