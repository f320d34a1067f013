# SPDX-License-Identifier: Apache-2.0
"""A JSON file of documents cut into them, without parsing all of it.

The documents are the members of a list under "documents" (of a collection) or
"PubTator3", or of a list that is the whole file, or of collections in such a list; or
the file is one document, or one per line. All else becomes the `Frame`.

Only brackets, strings and keys are looked at: what is wrong inside a document and
closes all it opens is found by its parser, and costs no other document.
"""

import codecs
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

from biobert_tf.annotate import storage
from biobert_tf.annotate.framed import Frame
from biobert_tf.errors import InputError

LIST_KEYS: Final = ("documents", "PubTator3")
NOT_BIOC: Final = 'not BioC: want an object with "documents", or a list of documents'

# A string; the quote of one that has no end yet; a bracket, colon or comma; a number
# or word. White space is all that is left.
_TOKEN: Final = re.compile(
    r'"[^"\\]*+(?:\\.[^"\\]*+)*+" | ["{}\[\]:,] | [^\s"{}\[\]:,]++',
    re.VERBOSE | re.DOTALL,
)
_CLOSING: Final = {"{": "}", "[": "]"}


class Piece(NamedTuple):
    """A document.

    Attributes:
        number: From 1.
        text: Its JSON, if it is any.
        line: Where it begins, from 1.
        is_root: The file is this document, or has one per line.
    """

    number: int
    text: str
    line: int
    is_root: bool


@dataclass
class _Level:
    """A bracket that is open.

    Attributes:
        bracket: "{" or "[".
        is_list: Its members are documents.
        may_have_list: It may be a collection: the whole file, or a member of it.
        key: The last key of an object.
        wants_key: Whether the next string is a key.
    """

    bracket: str
    is_list: bool = False
    may_have_list: bool = False
    key: str = ""
    wants_key: bool = False


def pieces(stream: storage.Stream, frame: Frame) -> Iterator[Piece]:
    """Yields the documents of a file.

    Args:
        stream: The file.
        frame: Empty; filled while the documents are read.

    Raises:
        InputError: The file cannot be read on from here.
    """
    return _Cutter(stream, frame).pieces()


class _Cutter:
    """Reads tokens and knows where in the file they stand."""

    def __init__(self, stream: storage.Stream, frame: Frame) -> None:
        self._path = stream.path
        self._chunks = stream.chunks()
        self._decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
        self._frame = frame
        self._text = ""  # from the end of the last document on
        self._line = 1  # of its first character
        self._is_all = False  # whether nothing follows it
        self._levels: list[_Level] = []
        self._start: int | None = None  # of the document that is open
        self._depth = 0  # brackets around it
        self._number = 1  # of the next document
        self._members = ""  # what a list that is the whole file holds

    def pieces(self) -> Iterator[Piece]:
        position, is_begun, is_root = 0, False, False
        while (token := self._next(position)) is not None:
            if is_begun and not self._levels:
                if not is_root:
                    raise self._error(token.start(), "not JSON: more behind the end")
                yield from self._lines()
                return
            is_begun = True
            position = token.end()
            if self._is_document_ended(token):
                piece = self._piece(position)
                yield piece
                position, is_root = 0, piece.is_root
        if self._levels:
            inside = "" if self._start is None else f" inside document {self._number}"
            raise self._error(position, f"not JSON: the file ends{inside}")
        storage.require_utf8(self._path, self._line, self._text)
        if not is_root:
            line = self._line + self._text.count("\n", 0, position)
            whole = Frame("", self._frame.parts, tail=self._text)
            storage.parsed_json(self._path, line, whole.text("null"))
        self._frame.tail = self._text

    def _next(self, position: int) -> re.Match[str] | None:
        """Returns the next token that is whole; None behind the last."""
        while True:
            token = _TOKEN.search(self._text, position)
            # A string without end, or a number that may go on.
            is_cut = token is None or (
                token[0] == '"'
                or (token.end() == len(self._text) and token[0][0] not in '{}[]:,"')
            )
            if not is_cut or (self._is_all and token is None):
                return token
            if self._is_all:
                assert token is not None
                if token[0] == '"':
                    raise self._error(token.start(), "not JSON: a string has no end")
                return token
            self._fill()

    def _fill(self) -> None:
        """Reads about as much again as there is, that a long string costs no more."""
        parts, size = [self._text], 0
        while size <= len(self._text) and not self._is_all:
            data = next(self._chunks, b"")
            self._is_all = not data
            parts.append(self._decoder.decode(data, final=self._is_all))
            size += len(parts[-1])
        self._text = "".join(parts)
        if self._line == 1 and self._number == 1:
            self._text = self._text.removeprefix(storage.BOM)

    def _is_document_ended(self, token: re.Match[str]) -> bool:
        """Takes a token in; returns whether it ends a document."""
        mark = token[0]
        level = self._levels[-1] if self._levels else None
        if mark in ":,":
            if level is not None:
                level.wants_key = mark == "," and level.bracket == "{"
            return False
        if mark in "}]":
            if level is None or _CLOSING[level.bracket] != mark:
                raise self._error(token.start(), f"not JSON: {mark} closes nothing")
            self._levels.pop()
            return self._start is not None and len(self._levels) == self._depth
        if level is not None and level.wants_key and mark[0] == '"':
            level.key = _string(mark)
            return False
        return self._is_value_ended(token, level)

    def _is_value_ended(self, token: re.Match[str], level: _Level | None) -> bool:
        """Takes in a token that begins a value; returns whether it is a document."""
        mark = token[0]
        is_outermost = level is None or level.is_list
        is_list = mark == "[" and (
            level is None or (level.may_have_list and level.key in LIST_KEYS)
        )
        if is_list:
            self._require_alike(token.start(), "collections")
            self._start = None
        elif self._start is None and is_outermost:
            self._start, self._depth = token.start(), len(self._levels)
        if mark in "{[":
            is_whole = not self._levels or (
                len(self._levels) == 1 and self._levels[0].bracket == "["
            )
            self._levels.append(_Level(mark, is_list, is_whole, wants_key=mark == "{"))
            return False
        if level is None:
            raise self._error(token.start(), NOT_BIOC)
        return self._start is not None and len(self._levels) == self._depth

    def _piece(self, end: int) -> Piece:
        start = self._start
        assert start is not None
        self._require_alike(start, "documents")
        before, text = self._text[:start], self._text[start:end]
        if before.strip() == "," and self._number > 1:
            self._frame.separator = before
        else:
            storage.require_utf8(self._path, self._line, before)
            self._frame.parts.append((self._number, before))
            self._frame.closing = "".join(
                _CLOSING[level.bracket] for level in reversed(self._levels)
            )
        line = self._line + before.count("\n")
        piece = Piece(self._number, text, line, not self._levels)
        self._line = line + text.count("\n")
        self._text, self._start = self._text[end:], None
        self._number += 1
        return piece

    def _lines(self) -> Iterator[Piece]:
        """Yields the documents that follow the first, one per line."""
        self._frame.separator = "\n"
        while self._text:
            line, end, self._text = self._text.partition("\n")
            while not (end or self._is_all):
                self._text = line
                self._fill()
                line, end, self._text = self._text.partition("\n")
            if line.strip():
                yield Piece(self._number, line.strip(), self._line, True)
                self._number += 1
            self._line += 1
            if not (self._text or self._is_all):
                self._fill()
        self._frame.tail = "\n"

    def _require_alike(self, position: int, kind: str) -> None:
        """Refuses a list that holds documents beside collections.

        Raises:
            InputError: Of two kinds, the second is told.
        """
        is_member = len(self._levels) == 1 + (kind == "collections")
        if is_member and self._levels[0].bracket == "[":
            if self._members not in ("", kind):
                problem = f"{kind} beside {self._members} in one list; {NOT_BIOC}"
                raise self._error(position, problem)
            self._members = kind

    def _error(self, position: int, problem: str) -> InputError:
        line = self._line + self._text.count("\n", 0, position)
        return InputError.at(self._path, line, problem)


def _string(token: str) -> str:
    try:
        return str(json.loads(token))
    except ValueError:
        return token
