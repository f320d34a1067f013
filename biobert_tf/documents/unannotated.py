# SPDX-License-Identifier: Apache-2.0
r"""Reads text without annotations: plain text, PubMed citations and PMC articles.

A plain text is every character of the file, `\r\n` as two; only a byte order mark at
its start is removed. If each line is a document, it is read without its end (`\n` or
`\r\n`), and a line of white space is not one.

Citations and articles are XML, read by `corpora.reading`. A passage is the title, a
part of the abstract or a paragraph; the next one begins one character after its end.
The text is the article's as a reader sees it, without markup. Offsets refer to this
text, which every output contains, not to the XML.
"""

from collections.abc import Iterable, Iterator
from typing import BinaryIO, cast

from biobert_tf.common import streams
from biobert_tf.common.errors import InputError
from biobert_tf.common.streams import BOM, Stream
from biobert_tf.corpora import reading
from biobert_tf.corpora.document import Skipped
from biobert_tf.documents import fields
from biobert_tf.documents.document import AnnotatedDocument, Loaded, Passage


def read_text(
    stream: Stream, on_bad: fields.OnBad = streams.refuse
) -> Iterator[Loaded]:
    """Yields a file as one document, named like the file.

    Raises:
        InputError: Raised by `on_bad`: the file is not UTF-8, or damaged.
    """

    def load(whole: Stream) -> Loaded:
        return _loaded(whole.name, [whole.text().removeprefix(BOM)])

    return fields.readable([stream], load, on_bad)


def read_lines(
    stream: Stream, on_bad: fields.OnBad = streams.refuse
) -> Iterator[Loaded]:
    """Yields every line as a document, named `FILE-LINE`.

    Raises:
        InputError: Raised by `on_bad`: a line is not UTF-8, or the file is damaged.
    """
    lines = (
        (number, line.removeprefix(BOM) if number == 1 else line)
        for number, line in stream.lines()
        if line.removeprefix(BOM).strip()
    )

    def load(unit: tuple[int, str]) -> Loaded:
        number, line = unit
        streams.require_utf8(stream.path, number, line)
        text = line.removesuffix("\n").removesuffix("\r")
        return _loaded(f"{stream.name}-{number}", [text])

    return fields.readable(lines, load, on_bad)


def read_articles(
    stream: Stream, on_bad: fields.OnBad = streams.refuse
) -> Iterator[Loaded]:
    """Yields the citations or articles of a file; the id is the PMID or PMCID.

    Raises:
        InputError: Raised by `on_bad`: a record is damaged or has no text. The message
            names the record.
    """

    def skip(skipped: Skipped) -> None:
        problem = f"{skipped.position}: {skipped.reason}"
        on_bad(fields.error_at(stream.path, None, problem))

    try:
        documents = reading.xml_documents(cast(BinaryIO, stream), stream.name, skip)
        for document in documents:
            name = document.id.removeprefix("PMID:").removeprefix("PMCID:")
            yield _loaded(name, document.paragraphs)
    except InputError as error:
        on_bad(error)


def _loaded(name: str, texts: Iterable[str]) -> Loaded:
    passages: list[Passage] = []
    for text in texts:
        offset = passages[-1].end + 1 if passages else 0
        passages.append(Passage(offset, text))
    return Loaded(AnnotatedDocument(name, tuple(passages), (), ()))
