# SPDX-License-Identifier: Apache-2.0
"""Reads the texts in which a question's answer is sought, each with its source."""

import dataclasses
import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final

from biobert_tf.common import streams
from biobert_tf.common.comma_lists import FileGlobs
from biobert_tf.corpora import reading
from biobert_tf.corpora.document import Skipped
from biobert_tf.corpora.settings import CorpusConfig
from biobert_tf.qa import squad_json

_LOG = logging.getLogger(__name__)

STANDARD_INPUT: Final = "-"


@dataclasses.dataclass(frozen=True)
class NamedText:
    """A text and where it comes from.

    Attributes:
        source: The path of the file, or the id of the article in it (`PMID:123`), or
            the path and the number of the context in it, from 1 (`dev.json#1`).
        text: The whole of a text file, line ends included; for an article, its title
            and paragraphs, joined by single spaces; or a context of a set of questions.
    """

    source: str
    text: str


def read_contexts(patterns: FileGlobs) -> Iterator[NamedText]:
    """Yields the texts of files, in the order of the files.

    A PubMed or PMC file gives one text per article; a text file is one text; a file in
    JSON must be in SQuAD's form and gives every context. A damaged article is skipped,
    and the log says where it is and why.

    The pattern `-` means text from standard input.

    Raises:
        InputError: A file does not exist, cannot be read, is not UTF-8, or is JSON of
            another form.
    """
    if patterns.text == STANDARD_INPUT:
        name = Path("standard input")
        yield NamedText(str(name), _text(sys.stdin.buffer, name))
        return
    for path in patterns.files():
        if path.suffix.lower() in (".json", ".jsonl"):
            for number, text in enumerate(squad_json.contexts(path), 1):
                yield NamedText(f"{path}#{number}", text)
            continue
        if reading.is_text(path):
            with streams.open_file(path) as stream:
                unpacked = streams.decompressed(stream, str(path))
                yield NamedText(str(path), _text(unpacked, path))
            continue
        options = reading.ReadOptions(CorpusConfig())
        for document in reading.documents(path, options, _report):
            yield NamedText(document.id, " ".join(document.paragraphs))


def _report(skipped: Skipped) -> None:
    if skipped.is_damage:
        _LOG.warning(
            "%s: %s is skipped: %s", skipped.path, skipped.position, skipped.reason
        )


def _text(stream: BinaryIO, path: Path) -> str:
    return streams.Stream(path, stream).text().removeprefix(streams.BOM)
