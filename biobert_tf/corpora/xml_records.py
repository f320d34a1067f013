# SPDX-License-Identifier: Apache-2.0
"""Cuts a stream of XML into its records; damage loses only the damaged record.

lxml's incremental parser reads the stream in pieces, each of which ends where a record
ends. After an error a new parser continues at the next start of a record. Nothing
outside the stream is ever read: an external DTD is not fetched, and a file that
declares entities is refused.
"""

import contextlib
import html.entities
import re
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, Final, NamedTuple

from lxml import etree

from biobert_tf.common.streams import UnreadableError, chunks

_MOST_PIECE_BYTES: Final = 1 << 20
_LONGEST_TAG: Final = 64

# Each setting is lxml's default or safer. collect_ids=False is not used: it would make
# libxml2 read the external DTD.
_SAFE: Final = {
    "resolve_entities": False,
    "load_dtd": False,
    "no_network": True,
    "huge_tree": False,
    "remove_comments": True,
    "remove_pis": True,
}

Report = Callable[[str, str], None]
"""Called with the position of a record that cannot be read, and the reason."""


class Layout(NamedTuple):
    """The structure of files of one kind.

    Attributes:
        kind: "PubMed" or "JATS".
        records: The tags of the records.
        inner: Tags that are records too, unless they stand inside another record.
        id_paths: Paths that find the identifier in the remains of a damaged record.
        id_prefix: The prefix of the identifier in `Document.id`.
    """

    kind: str
    records: tuple[str, ...]
    inner: tuple[str, ...]
    id_paths: tuple[str, ...]
    id_prefix: str


_ENCODING: Final = re.compile(rb"<\?xml[^>]*\sencoding\s*=\s*[\"']([\w.-]+)")
_ARTICLES: Final = Layout(
    "PubMed",
    ("PubmedArticle", "PubmedBookArticle", "DeleteCitation", "DeleteDocument"),
    ("MedlineCitation", "BookDocument"),
    (".//PMID",),
    "PMID:",
)
_CITATIONS: Final = Layout(
    "PubMed", ("MedlineCitation", "DeleteCitation"), (), (".//PMID",), "PMID:"
)
_JATS: Final = Layout(
    "JATS",
    ("article",),
    (),
    tuple(f".//{{*}}article-id[@pub-id-type='{kind}']" for kind in ("pmc", "pmcid")),
    "PMCID:PMC",
)
_LAYOUTS: Final = {
    **dict.fromkeys(["PubmedArticleSet", "PubmedBookArticleSet"], _ARTICLES),
    **dict.fromkeys(_ARTICLES.records, _ARTICLES),
    **dict.fromkeys(["MedlineCitationSet", "MedlineCitation"], _CITATIONS),
    **dict.fromkeys(["pmc-articleset", "article"], _JATS),
}
ROOTS: Final = frozenset(_LAYOUTS)
"""The tags of the root elements of all files that can be read."""


class XmlRecord(NamedTuple):
    """A whole, well-formed record; its element is deleted after the next one.

    Attributes:
        kind: "PubMed" or "JATS".
        element: The lxml element.
        number: The record's number from 1, counting damaged records too.
        line: The line of its start tag, from 1.
    """

    kind: str
    element: Any
    number: int
    line: int


class _DamageError(Exception):
    def __init__(self, line: int, reason: str) -> None:
        super().__init__(reason)
        self.line = line


def local_name(element: Any) -> str:
    """Returns a tag without namespace or prefix; "" if the node is not an element."""
    tag = element.tag
    return re.split("[}:]", tag)[-1] if isinstance(tag, str) else ""


def entity_text(entity: Any) -> str | None:
    """Returns the character that a named entity of HTML stands for; None if unknown."""
    return html.entities.html5.get(f"{entity.name};")


class Prologue(NamedTuple):
    """The beginning of a file.

    Attributes:
        head: All bytes read so far.
        root: The tag of the root element.
        layout: The structure of the file.
        encoding: The encoding of the text.
    """

    head: bytes
    root: str
    layout: Layout
    encoding: str


def read_prologue(source: Iterator[bytes]) -> Prologue:
    """Reads up to the start tag of the root element.

    Raises:
        UnreadableError: The file is not XML, is neither PubMed nor JATS, or declares
            entities.
    """
    root, head = _root(source)
    document = root.getroottree().docinfo
    if document.internalDTD is not None and any(document.internalDTD.iterentities()):
        raise UnreadableError(
            "refused: it declares entities (<!ENTITY ...>), which could expand "
            "without bound or read other files"
        )
    layout = _LAYOUTS.get(local_name(root))
    if layout is None:
        raise UnreadableError(
            f"root element <{local_name(root)}> is neither PubMed nor JATS"
        )
    declared = _ENCODING.match(head)
    encoding = declared[1].decode() if declared else "UTF-8"
    return Prologue(head, local_name(root), layout, encoding)


def _root(source: Iterator[bytes]) -> tuple[Any, bytes]:
    parser = etree.XMLPullParser(events=("start",), **_SAFE)
    head, num_fed = b"", 0
    try:
        for chunk in source:
            head += chunk
            # Feed tag by tag, so that nothing after the root's tag is parsed before
            # the declarations in front of it have been checked.
            while (end := head.find(b">", num_fed) + 1) > 0:
                parser.feed(head[num_fed:end])
                num_fed = end
                for _, root in parser.read_events():
                    return root, head
            if len(head) > _MOST_PIECE_BYTES:
                raise UnreadableError("not XML: no root element in the first megabyte")
    except etree.XMLSyntaxError as error:
        raise UnreadableError(f"not XML: {error.msg}") from None
    raise UnreadableError("not XML: no root element" if head else "empty file")


def records(stream: BinaryIO, report: Report) -> Iterator[XmlRecord]:
    """Yields the records of a PubMed or JATS stream, whatever their number.

    Args:
        stream: The decompressed bytes of the XML; read once, from start to end.
        report: Called for every lost record, and if the rest of a file is lost.
    """
    source = chunks(stream)
    cutter = None
    try:
        prologue = read_prologue(source)
        cutter = _Cutter(prologue, report)
        for piece in _pieces(prologue, source):
            yield from cutter.cut(piece)
        cutter.close()
    except UnreadableError as error:
        done = f"after record {cutter.num_records}" if cutter else "from the start"
        report(done, str(error))


def _pieces(prologue: Prologue, source: Iterator[bytes]) -> Iterator[bytes]:
    """Yields all bytes of the stream, cut after the end tags of records.

    Raises:
        UnreadableError: The error of `source`, after all bytes that could be read.
    """
    end_tag = re.compile(rb"</(?:%s)\s*>" % "|".join(prologue.layout.records).encode())
    rest, num_searched = b"", 0
    chunk: bytes | None = prologue.head
    failure: UnreadableError | None = None
    while chunk is not None:
        rest += chunk
        start = 0
        for match in end_tag.finditer(rest, num_searched):
            yield rest[start : match.end()]
            start = match.end()
        if len(rest) - start > _MOST_PIECE_BYTES:
            yield rest[start:]
            start = len(rest)
        rest = rest[start:]
        num_searched = max(0, len(rest) - _LONGEST_TAG)
        try:
            chunk = next(source, None)
        except UnreadableError as error:
            chunk, failure = None, error
    yield rest
    if failure is not None:
        raise failure


class _Cutter:
    """Feeds pieces to a parser, and to a new parser after damage."""

    def __init__(self, prologue: Prologue, report: Report) -> None:
        self._prologue = prologue
        self._report = report
        tags = "|".join(prologue.layout.records).encode()
        self._start_tag = re.compile(rb"<(?:%s)[\s>]" % tags)
        self._end_tag = re.compile(rb"</(?:%s)\s*>\Z" % tags)
        self._parser: _Parser | None = _Parser(prologue.layout, line=1)
        self.num_records = 0
        self._line = 1  # of the next piece

    def cut(self, piece: bytes) -> Iterator[XmlRecord]:
        """Yields the records that end in `piece`."""
        starts = [match.start() for match in self._start_tag.finditer(piece)]
        ends_record = self._end_tag.search(piece[-_LONGEST_TAG:]) is not None
        kind, begin = self._prologue.layout.kind, 0
        while self._parser is not None or starts:
            is_restart = self._parser is None
            if self._parser is None:
                begin = starts.pop(0)
                self._parser = self._parser_from(piece, begin)
            try:
                for element in self._parser.feed(piece[begin:], ends_record):
                    self.num_records += 1
                    line = self._parser.line_of(element)
                    yield XmlRecord(kind, element, self.num_records, line)
                break
            except _DamageError as damage:
                if is_restart and not self._parser.num_starts:
                    # The start tag is damaged; the parser before has reported it.
                    self.num_records += 1
                else:
                    self._lose(damage)
                # Records that the parser had begun are lost; try the others again.
                del starts[: max(0, self._parser.num_starts - is_restart)]
                self._parser = None
        self._line += piece.count(b"\n")

    def close(self) -> None:
        """Reports a file that ends too early."""
        if self._parser is None:
            return
        try:
            self._parser.close()
        except _DamageError as damage:
            self._lose(damage)

    def _parser_from(self, piece: bytes, begin: int) -> "_Parser":
        """Returns a parser inside the root element, for the record at `begin`."""
        parser = _Parser(
            self._prologue.layout, self._line + piece.count(b"\n", 0, begin)
        )
        encoding, root = self._prologue.encoding, self._prologue.root
        if root not in self._prologue.layout.records:
            opening = f'<?xml version="1.0" encoding="{encoding}"?><{root}>'
            list(parser.feed(opening.encode(), ends_record=False))
        return parser

    def _lose(self, damage: _DamageError) -> None:
        assert self._parser is not None
        if not self._parser.is_in_record:
            position = f"after record {self.num_records}, line {damage.line}"
            self._report(position, str(damage))
            return
        self.num_records += 1
        self._report(
            f"record {self.num_records}{self._parser.known_id}, line {damage.line}",
            str(damage),
        )


class _Parser:
    """An incremental parser; `line` is the line of the first byte it is fed."""

    def __init__(self, layout: Layout, line: int) -> None:
        tags = [f"{{*}}{tag}" for tag in layout.records + layout.inner]
        self._parser = etree.XMLPullParser(events=("start", "end"), tag=tags, **_SAFE)
        self._layout = layout
        self._line = line
        self._open: Any = None
        self.num_starts = 0

    @property
    def is_in_record(self) -> bool:
        """Whether a record has begun and not ended."""
        return self._open is not None

    @property
    def known_id(self) -> str:
        """The id of the record that has begun, in brackets; "" if not yet read."""
        for path in self._layout.id_paths:
            found = (self._open.findtext(path) or "").strip().removeprefix("PMC")
            if found:
                return f" ({self._layout.id_prefix}{found})"
        return ""

    def line_of(self, element: Any) -> int:
        """Returns the line of an element's start tag in the whole file."""
        return self._line + element.sourceline - 1

    def feed(self, data: bytes, ends_record: bool) -> Iterator[Any]:
        """Yields the records that `data` completes.

        Args:
            data: The next bytes.
            ends_record: Whether they end with the end tag of a record.

        Raises:
            _DamageError: The data is damaged; raised after the last whole record.
        """
        self.num_starts = 0
        # _check raises the error, after the records before it have been yielded.
        with contextlib.suppress(etree.XMLSyntaxError):
            self._parser.feed(data)
        num_ended = 0
        for element in self._whole_records():
            num_ended += 1
            yield element
        self._check()
        if ends_record and (self.is_in_record or not num_ended):
            # A bare "&", "<", quote or "<!--" seems to begin something; libxml2 waits
            # for its end past any number of records.
            line = self._line
            self.close()
            raise _DamageError(line, "an element or reference is not closed")

    def close(self) -> None:
        """Raises _DamageError if an element is still open."""
        try:
            self._parser.close()
        except etree.XMLSyntaxError:
            self._check()

    def _whole_records(self) -> Iterator[Any]:
        for event, element in self._parser.read_events():
            if event == "end":
                if element is self._open:
                    self._open = None
                    yield element
                    _forget_before(element)
            elif self._open is None:
                self._open = element
                self.num_starts += local_name(element) in self._layout.records
            elif local_name(element) in self._layout.records:
                raise _DamageError(
                    self.line_of(element),
                    f"<{local_name(self._open)}> is not closed before the next record",
                )

    def _check(self) -> None:
        """Raises _DamageError after an error that ends a parse.

        After an undeclared entity libxml2 continues, but yields no more elements; lxml
        raises only at the end of the file, while its log has the error at once. Errors
        that are not fatal (a prefix without namespace) lose nothing.
        """
        for entry in self._parser.feed_error_log:
            if entry.level == etree.ErrorLevels.FATAL:
                raise _DamageError(self._line + max(entry.line, 1) - 1, entry.message)


def _forget_before(element: Any) -> None:
    """Deletes the records before this one; the parser still needs this one."""
    parent = element.getparent()
    if parent is not None:
        while parent[0] is not element:
            del parent[0]
