# SPDX-License-Identifier: Apache-2.0
"""Cuts a stream of XML into its records; damage loses only the damaged record.

The stream is read in pieces, each of which ends where a record ends. Each piece is
parsed as a file of its own, behind the opening of the whole file. After an error the
next start of a record is tried. Nothing outside the stream is ever read: an external
DTD is not fetched, and a file that declares entities is refused.

Files may be joined by `cat`, and articles may stand in the answer of an OAI-PMH server.
"""

import contextlib
import itertools
import re
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, Final, Literal, NamedTuple

from lxml import etree

from biobert_tf.common.streams import UnreadableError, chunks

_MOST_OPENING_BYTES: Final = 1 << 20
_MOST_PIECE_BYTES: Final = 1 << 28
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


class _Layout(NamedTuple):
    """The structure of files of one kind, "PubMed" or "JATS"."""

    kind: str
    records: tuple[str, ...]
    # Tags that are records too, unless they stand inside another record.
    inner: tuple[str, ...]
    # The XPath of the identifier, for damaged records, and what precedes it in an id.
    id_path: str
    id_prefix: str


_ARTICLES: Final = _Layout(
    "PubMed",
    ("PubmedArticle", "PubmedBookArticle", "DeleteCitation", "DeleteDocument"),
    ("MedlineCitation", "BookDocument"),
    ".//PMID",
    "PMID:",
)
_CITATIONS: Final = _Layout(
    "PubMed", ("MedlineCitation", "DeleteCitation"), (), ".//PMID", "PMID:"
)
_JATS: Final = _Layout(
    "JATS",
    ("article",),
    (),
    ".//*[local-name()='article-id'][@pub-id-type='pmc' or @pub-id-type='pmcid']",
    "PMCID:PMC",
)
_LAYOUTS: Final = {
    **dict.fromkeys(["PubmedArticleSet", "PubmedBookArticleSet"], _ARTICLES),
    **dict.fromkeys(_ARTICLES.records, _ARTICLES),
    **dict.fromkeys(["MedlineCitationSet", "MedlineCitation"], _CITATIONS),
    **dict.fromkeys(["pmc-articleset", "article", "OAI-PMH"], _JATS),
}
# The records of these roots stand inside other elements, which are not read.
_WRAPPING: Final = "OAI-PMH"
_ENTREZ_ERROR: Final = "eFetchResult"
ROOTS: Final = frozenset([*_LAYOUTS, _ENTREZ_ERROR])
"""The tags of the root elements of all files that are known, be they errors."""

# Where the next file begins, if it was joined to this one. No internal subset, which
# could declare entities.
_NEXT_FILE: Final = rb"\s*(?:<\?xml[^>]*>\s*)?(?:<!DOCTYPE[^\[>]*>\s*)?"
_ERROR: Final = re.compile(rb"<(?:ERROR|error)\b[^>]*>([^<]*)<")


class XmlRecord(NamedTuple):
    """A whole, well-formed record of kind "PubMed" or "JATS"; `element` is of lxml.

    Its `number` from 1 counts damaged records too; its start tag is on `line`, from 1.
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


class _Prologue(NamedTuple):
    """The beginning of a file: the structure, and the tag of the root element.

    `opening` is all bytes in front of the records, of which the start tag of the root
    is the last unless the root `is_record` itself; `rest` has been read after these.
    """

    layout: _Layout
    root: str
    opening: bytes
    rest: bytes

    @property
    def is_record(self) -> bool:
        return self.root in self.layout.records


def _read_prologue(source: Iterator[bytes]) -> _Prologue:
    """Reads up to the start tag of the root element.

    Raises:
        UnreadableError: The file is not XML, is neither PubMed nor JATS, or declares
            entities; or it is an error of Entrez.
    """
    root, head, end = _root(source)
    document = root.getroottree().docinfo
    if document.internalDTD is not None and any(document.internalDTD.iterentities()):
        raise UnreadableError(
            "refused: it declares entities (<!ENTITY ...>), which could expand "
            "without bound or read other files"
        )
    name = local_name(root)
    if name == _ENTREZ_ERROR:
        _require_no_error(b"".join([head, *itertools.islice(source, 1)]))
    layout = _LAYOUTS.get(name)
    if layout is None:
        raise UnreadableError(f"root element <{name}> is neither PubMed nor JATS")
    if name in layout.records:
        end = head.rindex(b"<", 0, end)
    return _Prologue(layout, name, head[:end], head[end:])


def _require_no_error(data: bytes) -> None:
    if error := _ERROR.search(data):
        told = error[1].decode("utf-8", "replace").strip()
        raise UnreadableError(f"holds no record but the server's error: {told[:200]}")


def _root(source: Iterator[bytes]) -> tuple[Any, bytes, int]:
    """Returns the root element, the bytes read, and where its start tag ends."""
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
                    return root, head, end
            if len(head) > _MOST_OPENING_BYTES:
                raise UnreadableError("not XML: no root element in the first megabyte")
    except etree.XMLSyntaxError as error:
        raise UnreadableError(f"not XML: {error.msg}") from None
    raise UnreadableError("not XML: no root element" if head else "empty file")


def records(stream: BinaryIO, report: Report) -> Iterator[XmlRecord]:
    """Yields the records of a decompressed PubMed or JATS stream, read once.

    `report` is called for every lost record, and if the rest of a file is lost.
    """
    source = chunks(stream)
    reader = None
    try:
        prologue = _read_prologue(source)
        reader = _Reader(prologue, report)
        yield from reader.read(source)
    except UnreadableError as error:
        done = f"after record {reader.num_records}" if reader else "from the start"
        report(done, str(error))


_End = Literal["record", "file", "damage"]
"""What a piece ends with: the end tag of a record, the end of the file, or damage."""


class _Reader:
    """Reads the records of a file piece by piece, and counts them."""

    def __init__(self, prologue: _Prologue, report: Report) -> None:
        layout, root = prologue.layout, re.escape(prologue.root).encode()
        tags = "|".join(layout.records).encode()
        self._start_tag = re.compile(rb"<(?:%s)[\s>]" % tags)
        self._end_tag = re.compile(rb"</(?:%s)\s*>" % tags)
        self._tags = [f"{{*}}{tag}" for tag in layout.records + layout.inner]
        tail = rb"</(?:[\w.-]+:)?%s\s*>" % root
        self._tail = re.compile(tail)
        self._joint = re.compile(
            _NEXT_FILE
            if prologue.is_record
            else rb"(?:\s*%s%s<(?:[\w.-]+:)?%s(?:\s[^>]*)?>)*"
            % (tail, _NEXT_FILE, root)
        )
        self._prologue = prologue
        self._layout = layout
        self._report = report
        self._num_lines = 0  # line ends between the opening and the next piece
        self._open: Any = None  # the record that has begun and not ended
        self._num_starts = 0  # records that the last parser has begun
        self.num_records = 0

    def read(self, source: Iterator[bytes]) -> Iterator[XmlRecord]:
        """Yields the records.

        Raises:
            UnreadableError: The error of `source`, after all that could be read, or no
                record ends for too long.
        """
        rest, num_searched = bytearray(self._prologue.rest), 0
        while True:
            ends = [each.end() for each in self._end_tag.finditer(rest, num_searched)]
            for start, end in itertools.pairwise([0, *ends]):
                yield from self._cut(bytes(rest[start:end]), "record")
            if ends:
                del rest[: ends[-1]]
            num_searched = max(0, len(rest) - _LONGEST_TAG)
            if len(rest) > _MOST_PIECE_BYTES:
                raise UnreadableError(f"no record ends in {len(rest):,} bytes")
            try:
                chunk = next(source, None)
            except UnreadableError:
                yield from self._cut(bytes(rest), "damage")
                raise
            if chunk is None:
                break
            rest += chunk
        yield from self._cut(self._ended(bytes(rest)), "file")

    def _ended(self, rest: bytes) -> bytes:
        """Returns the end of the file so that the root element ends there."""
        if not self.num_records:
            _require_no_error(rest)
        elif self._prologue.is_record and not self._start_tag.search(rest):
            # The root element has been read; only comments may follow it.
            return b"<end/>" + rest
        return rest

    def _cut(self, piece: bytes, end: _End) -> Iterator[XmlRecord]:
        """Yields the records of a piece; after damage it tries the next start tag."""
        piece = self._without_frame(piece)
        begins = [0, *(match.start() for match in self._start_tag.finditer(piece))]
        is_again = False
        while begins:
            begin = begins.pop(0)
            line = self._num_lines + piece.count(b"\n", 0, begin)
            try:
                yield from self._parse(piece[begin:], line, end)
                break
            except _DamageError as damage:
                if is_again and not self._num_starts:
                    # The start tag is damaged; the parser before has reported it.
                    self.num_records += 1
                else:
                    self._lose(damage)
            # Records that the parser had begun are lost; try the others again.
            del begins[: max(0, self._num_starts - is_again)]
            is_again = True
        self._num_lines += piece.count(b"\n")

    def _without_frame(self, piece: bytes) -> bytes:
        """Removes what is between two records but not theirs, except line ends."""
        end = 0
        if self._prologue.root == _WRAPPING:
            next_tag = self._start_tag.search(piece) or self._tail.search(piece)
            end = next_tag.start() if next_tag else len(piece)
        elif joint := self._joint.match(piece):
            end = joint.end()
        return b"\n" * piece.count(b"\n", 0, end) + piece[end:] if end else piece

    def _parse(self, data: bytes, num_lines: int, end: _End) -> Iterator[XmlRecord]:
        """Yields the whole records of a part; at damage it raises _DamageError.

        `num_lines` is the number of lines between the opening and the part.
        """
        self._open, self._num_starts, num_ended = None, 0, 0
        parser = etree.XMLPullParser(events=("start", "end"), tag=self._tags, **_SAFE)
        # _check raises the error, after the records before it have been yielded.
        with contextlib.suppress(etree.XMLSyntaxError):
            parser.feed(self._prologue.opening + data)
        for event, element in parser.read_events():
            line = num_lines + element.sourceline
            is_record = local_name(element) in self._layout.records
            if event == "end":
                if element is self._open:
                    self._open = None
                    num_ended += 1
                    self.num_records += 1
                    yield XmlRecord(self._layout.kind, element, self.num_records, line)
            elif self._open is None:
                self._open = element
                self._num_starts += is_record
            elif is_record:
                name = local_name(self._open)
                problem = f"<{name}> is not closed before the next record"
                raise _DamageError(line, problem)
        _check(parser, num_lines)
        is_whole = num_ended and self._open is None
        if end == "damage" or (end == "record" and is_whole):
            return
        with contextlib.suppress(etree.XMLSyntaxError):
            parser.close()
        _check(parser, num_lines)

    def _lose(self, damage: _DamageError) -> None:
        position = f"after record {self.num_records}"
        if self._open is not None:
            self.num_records += 1
            text = self._open.xpath(f"string(({self._layout.id_path})[1]/text())")
            number = text.strip().removeprefix("PMC")
            known = f" ({self._layout.id_prefix}{number})" if number else ""
            position = f"record {self.num_records}{known}"
        self._report(f"{position}, line {damage.line}", str(damage))


def _check(parser: Any, num_lines: int) -> None:
    """Raises _DamageError after an error that ends a parse.

    After an undeclared entity libxml2 continues, but yields no more elements; lxml
    raises only at the end of the file, while its log has the error at once. Errors
    that are not fatal (a prefix without namespace) lose nothing.
    """
    for entry in parser.feed_error_log:
        if entry.level == etree.ErrorLevels.FATAL:
            # "Opening and ending tag mismatch: sup line 6 and i"
            message = re.sub(
                r"(?<= line )\d+",
                lambda line: f"{num_lines + int(line[0])}",
                entry.message,
            )
            raise _DamageError(num_lines + max(entry.line, 1), message)
