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
from typing import Any, Final
from xml.sax import saxutils

from lxml import etree

from biobert_tf.common import streams
from biobert_tf.common.errors import InputError
from biobert_tf.common.streams import Stream
from biobert_tf.documents import fields
from biobert_tf.documents.framed import Frame, Piece, Window

# huge_tree allows long texts. It is safe, because `_prefixes` refuses declared
# entities, which could expand without bound.
_SAFE: Final = {
    "resolve_entities": False,
    "load_dtd": False,
    "no_network": True,
    "huge_tree": True,
}
# A tag, or a comment or section. One that holds its own beginning, or two dashes, has
# no end of its own: then only its beginning is text, and documents may follow.
_TAG: Final = re.compile(
    r"<document(?=[\s/>])[^>]*+>? | </document\s*+>"
    r"| <!--(?:(?!--).)*+(?:--(?P<comment>>?))?"
    r"| <!\[CDATA\[(?:(?!<!\[CDATA\[|\]\]>).)*+(?P<section>\]\]>)?",
    re.VERBOSE | re.DOTALL,
)
_LONGEST_SKIPPED: Final = 1 << 24
_LONGEST_TAG: Final = 64
_DECLARATION: Final = re.compile(
    rb"(?:\xef\xbb\xbf)?<\?xml[^>]*\sencoding\s*=\s*[\"']([\w.-]+)"
)
_ENCODING: Final = re.compile(r"(<\?xml[^>]*\sencoding\s*=\s*[\"'])[\w.-]+")
_WIDE: Final = {codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}


def pieces(stream: Stream, frame: Frame) -> Iterator[Piece]:
    """Yields the documents of a file, and fills the empty frame meanwhile.

    Raises:
        InputError: The rest of the file cannot be read.
    """
    return _Cutter(stream, _decoder(stream), frame).pieces()


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


class _Cutter(Window):
    """Looks for the tags of documents in the text of a file."""

    def pieces(self) -> Iterator[Piece]:
        number = 0
        tag = self._next(0)
        head = self.held if tag is None else self.held[: tag.start()]
        prefixes = _prefixes(self.path, head)
        while tag is not None:
            number += 1
            start, end = tag.span()
            if not tag[0].endswith("/>") and tag[0][1] != "/":
                tag = self._next(end)
                # Another start tag or the end of the file also ends the document.
                end = len(self.held) if tag is None else tag.start()
                if tag is not None and tag[0][1] == "/":
                    end = tag.end()
            before = self.dropped(start)
            if number == 1:
                before = _ENCODING.sub(r"\1UTF-8", before)
            self.frame.put(number, before, "\n</collection>\n")
            line = self.line
            yield Piece(number, self.drop(end - start), line, prefixes=prefixes)
            tag = self._next(0)
        self._end("<document/>" if number else "")

    def _next(self, position: int) -> re.Match[str] | None:
        """Returns the next tag; None if there is none."""
        while True:
            tag = _TAG.search(self.held, position)
            # The beginning of a tag may stand at the end of the window.
            position = max(position, len(self.held) - _LONGEST_TAG)
            if tag is not None:
                position, end = tag.span()
                if not tag[0].startswith("<!"):
                    if self.is_all or tag[0].endswith(">"):
                        return tag
                elif (
                    self.is_all
                    or end - position > _LONGEST_SKIPPED
                    or end + len("-->") < len(self.held)
                ):
                    is_whole = tag["comment"] or tag["section"]
                    position = end if is_whole else position + len("<!--")
                    continue
            if self.is_all:
                return None
            self.fill()

    def _end(self, filling: str) -> None:
        """Checks the text around the documents, in whose place `filling` is put.

        It becomes the tail of the frame if it is XML.
        """
        whole = _in_utf8(self.around(filling))
        try:
            etree.fromstring(whole, etree.XMLParser(**_SAFE))
        except etree.XMLSyntaxError as error:
            problem = f"not XML around the documents: {_reason(error)}"
            line = self.line_at(len(self.held))
            raise fields.error_at(self.path, line, problem) from None
        self.frame.tail = self.held


def _decoder(stream: Stream) -> codecs.IncrementalDecoder:
    declared = _DECLARATION.match(stream.head)
    name = declared[1].decode() if declared else "utf-8"
    name = _WIDE.get(stream.head[:2], name)
    try:
        codec = codecs.lookup(name)
    except LookupError:
        problem = f"its encoding {name!r} is unknown; convert it to UTF-8"
        raise InputError.at(stream.path, 1, problem) from None
    # In UTF-8, a wrong byte loses only its document; in other encodings, the file.
    is_utf8 = codec.name == "utf-8"
    return codec.incrementaldecoder("surrogateescape" if is_utf8 else "strict")


def _in_utf8(text: str) -> bytes:
    return _ENCODING.sub(r"\1UTF-8", text).encode("utf-8")


def _prefixes(path: Path, head: str) -> str:
    """Returns the namespaces that the root declares, as attributes.

    Raises `InputError` if the text before the documents is not XML or not BioC, or
    declares entities.
    """
    streams.require_utf8(path, 1, head)
    parser = etree.XMLPullParser(events=("start",), **_SAFE)
    try:
        parser.feed(_in_utf8(head))
        root: Any = next((element for _, element in parser.read_events()), None)
        if root is None:
            root = parser.close()
    except etree.XMLSyntaxError as error:
        raise _not_xml(path, 1, error) from None
    info = root.getroottree().docinfo
    if info.internalDTD is not None and any(info.internalDTD.iterentities()):
        problem = "declares entities (<!ENTITY ...>)"
        problem += "; expand them and remove the declaration"
        raise InputError.at(path, None, problem)
    if root.tag != "collection":
        problem = f"not BioC: the root is <{root.tag}>, not <collection>"
        raise InputError.at(path, root.sourceline, problem)
    return "".join(
        f" xmlns:{prefix}={saxutils.quoteattr(uri)}"
        for prefix, uri in root.nsmap.items()
        if prefix
    )
