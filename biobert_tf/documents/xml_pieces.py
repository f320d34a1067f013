# SPDX-License-Identifier: Apache-2.0
"""Cuts a BioC XML file into its documents; damage loses only the damaged document.

A document is everything between its start and end tag; tags in comments and CDATA
sections are text. All other text becomes the `Frame`. Nothing outside the file is read,
and no entity is expanded.
"""

import codecs
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple
from xml.sax import saxutils

from lxml import etree

from biobert_tf.common import streams
from biobert_tf.common.errors import InputError
from biobert_tf.common.streams import BOM, Stream
from biobert_tf.documents import fields
from biobert_tf.documents.framed import Frame

# huge_tree allows long texts. It is safe, because `_root` refuses declared entities,
# which could expand without bound.
_SAFE: Final = {
    "resolve_entities": False,
    "load_dtd": False,
    "no_network": True,
    "huge_tree": True,
}
_TAG: Final = re.compile(
    r"<document(?=[\s/>])[^>]*+>?|</document\s*+>|<!--|<!\[CDATA\["
)
# A comment or section ends at a match whose group is ">". Any other match means that
# it has no end, and that documents follow its start.
_ENDS: Final = {
    "<!--": re.compile(r"--(>?)"),
    "<![CDATA[": re.compile(r"<!\[CDATA\[|\]\](>)"),
}
_LONGEST_SKIPPED: Final = 1 << 24
_LONGEST_TAG: Final = 64
_DECLARATION: Final = re.compile(
    rb"(?:\xef\xbb\xbf)?<\?xml[^>]*\sencoding\s*=\s*[\"']([\w.-]+)"
)
_ENCODING: Final = re.compile(r"(<\?xml[^>]*\sencoding\s*=\s*[\"'])[\w.-]+")
_WIDE: Final = {codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}


class Piece(NamedTuple):
    """The text of a document.

    Attributes:
        number: The document's number, from 1.
        text: The text, which may not be well-formed XML.
        line: The line where it begins, from 1.
        prefixes: The namespaces that the collection declares, as attributes.
    """

    number: int
    text: str
    line: int
    prefixes: str


def pieces(stream: Stream, frame: Frame) -> Iterator[Piece]:
    """Yields the documents of a file.

    Args:
        stream: The file.
        frame: An empty frame; it is filled while the documents are read.

    Raises:
        InputError: The rest of the file cannot be read.
    """
    return _Cutter(stream, frame).pieces()


def element(piece: Piece, path: Path) -> Any:
    """Returns a document as an lxml element.

    Raises:
        InputError: The document is not well-formed; the message names the line.
    """
    streams.require_utf8(path, piece.line, piece.text)
    text = f"<collection{piece.prefixes}>{piece.text}</collection>"
    parser = etree.XMLParser(**_SAFE)
    try:
        # As bytes without a declaration, which XML defines to be UTF-8.
        [found] = etree.fromstring(text.encode("utf-8"), parser)
    except etree.XMLSyntaxError as error:
        raise _not_xml(path, piece.line, error) from None
    return found


def _not_xml(path: Path, line: int, error: etree.XMLSyntaxError) -> InputError:
    number = line + max(error.lineno or 1, 1) - 1
    return fields.error_at(path, number, f"not XML: {_reason(error)}")


def _reason(error: etree.XMLSyntaxError) -> str:
    """Returns lxml's message without its place, which is not the place in the file."""
    return re.sub(r"( line \d+)?(, line \d+, column \d+)$", "", str(error.msg))


class _Cutter:
    """Looks for the tags of documents in the text of a file."""

    def __init__(self, stream: Stream, frame: Frame) -> None:
        self._path = stream.path
        self._chunks = stream.chunks()
        self._decoder = _decoder(stream)
        self._frame = frame
        self._text = ""  # begins after the last document
        self._line = 1  # the line of its first character
        self._is_all = False  # whether nothing follows it
        self._prefixes = ""

    def pieces(self) -> Iterator[Piece]:
        number = 0
        tag = self._next(0)
        self._begin(self._text if tag is None else self._text[: tag.start()])
        while tag is not None:
            number += 1
            start, end = tag.start(), tag.end()
            if not tag[0].endswith("/>") and tag[0][1] != "/":
                tag = self._next(end)
                # Another start tag or the end of the file also ends the document.
                end = len(self._text) if tag is None else tag.start()
                if tag is not None and tag[0][1] == "/":
                    end = tag.end()
            yield self._piece(number, start, end)
            tag = self._next(0)
        self._end("<document/>" if number else "")

    def _next(self, position: int) -> re.Match[str] | None:
        """Returns the next tag; None if there is none."""
        while True:
            tag = _TAG.search(self._text, position)
            if tag is not None and tag[0] in _ENDS:
                position = self._behind(tag)
                continue
            # The end of a start tag may not have been read yet.
            is_cut = tag is None or tag[0][-1] != ">"
            if self._is_all or not is_cut:
                return tag
            near_end = max(position, len(self._text) - _LONGEST_TAG)
            position = near_end if tag is None else tag.start()
            self._fill()

    def _behind(self, start: re.Match[str]) -> int:
        """Returns where to continue: after a comment or section, if it has an end."""
        position = start.end()
        while True:
            end = _ENDS[start[0]].search(self._text, position)
            # Two dashes may belong to an end that has not been read completely.
            if end is not None and (self._is_all or end.end() < len(self._text)):
                return end.end() if end[1] else start.end()
            if self._is_all or len(self._text) - start.end() > _LONGEST_SKIPPED:
                return start.end()
            position = max(position, len(self._text) - _LONGEST_TAG)
            self._fill()

    def _fill(self) -> None:
        """Reads about as much text as is held already."""
        parts, size = [self._text], 0
        try:
            while size <= len(self._text) and not self._is_all:
                data = next(self._chunks, b"")
                self._is_all = not data
                parts.append(self._decoder.decode(data, final=self._is_all))
                size += len(parts[-1])
        except UnicodeDecodeError as error:
            raise InputError.at(
                self._path,
                None,
                f"not {error.encoding}, the encoding it declares; convert it to UTF-8",
            ) from None
        self._text = "".join(parts)

    def _begin(self, head: str) -> None:
        """Checks the root element, given the text before the documents.

        Raises:
            InputError: The file is not XML, or not BioC.
        """
        root = _root(self._path, head)
        if root.tag != "collection":
            raise InputError.at(
                self._path,
                root.sourceline,
                f"not BioC: the root is <{root.tag}>, not <collection>",
            )
        self._prefixes = "".join(
            f" xmlns:{prefix}={saxutils.quoteattr(uri)}"
            for prefix, uri in root.nsmap.items()
            if prefix
        )

    def _end(self, filling: str) -> None:
        """Checks the text around the documents and stores the tail in the frame.

        Args:
            filling: The text to put in place of the documents.

        Raises:
            InputError: The text is not XML.
        """
        streams.require_utf8(self._path, self._line, self._text)
        whole = Frame("", self._frame.parts, tail=self._text).text(filling)
        text = _ENCODING.sub(r"\1UTF-8", whole)
        try:
            etree.fromstring(text.encode("utf-8"), etree.XMLParser(**_SAFE))
        except etree.XMLSyntaxError as error:
            line = self._line + self._text.count("\n")
            problem = f"not XML around the documents: {_reason(error)}"
            raise fields.error_at(self._path, line, problem) from None
        self._frame.tail = self._text

    def _piece(self, number: int, start: int, end: int) -> Piece:
        before, text = self._text[:start], self._text[start:end]
        if number == 1:
            head = _ENCODING.sub(r"\1UTF-8", before.removeprefix(BOM))
            self._frame.parts.append((number, head))
            self._frame.closing = "\n</collection>\n"
        elif before.strip():
            streams.require_utf8(self._path, self._line, before)
            self._frame.parts.append((number, before))
        else:
            self._frame.separator = before
        self._line += before.count("\n")
        piece = Piece(number, text, self._line, self._prefixes)
        self._line += text.count("\n")
        self._text = self._text[end:]
        return piece


def _decoder(stream: Stream) -> codecs.IncrementalDecoder:
    declared = _DECLARATION.match(stream.head)
    name = declared[1].decode() if declared else "utf-8"
    name = _WIDE.get(stream.head[:2], name)
    try:
        codec = codecs.lookup(name)
    except LookupError:
        raise InputError.at(
            stream.path, 1, f"its encoding {name!r} is unknown; convert it to UTF-8"
        ) from None
    # In UTF-8, a wrong byte loses only its document; in other encodings, the file.
    is_utf8 = codec.name == "utf-8"
    return codec.incrementaldecoder("surrogateescape" if is_utf8 else "strict")


def _root(path: Path, head: str) -> Any:
    """Returns the root element.

    Raises:
        InputError: The file is not XML, or declares entities.
    """
    streams.require_utf8(path, 1, head)
    parser = etree.XMLPullParser(events=("start",), **_SAFE)
    text = _ENCODING.sub(r"\1UTF-8", head.removeprefix(BOM))
    try:
        parser.feed(text.encode("utf-8"))
        root = next((element for _, element in parser.read_events()), None)
        if root is None:
            root = parser.close()
    except etree.XMLSyntaxError as error:
        raise _not_xml(path, 1, error) from None
    info = root.getroottree().docinfo
    if info.internalDTD is not None and any(info.internalDTD.iterentities()):
        raise InputError.at(
            path,
            None,
            "declares entities (<!ENTITY ...>); expand them and remove the declaration",
        )
    return root
