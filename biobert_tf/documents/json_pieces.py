# SPDX-License-Identifier: Apache-2.0
"""Cuts a JSON file into its documents without parsing the whole file at once.

The documents are the members of a list under "documents" (of a collection) or
"PubTator3", or of a list that is the whole file, or of collections in such a list; or
the file is one document, or one per line. All other text becomes the `Frame`.

After an error, reading continues at the next whole object with a list of passages, as
if it stood in the same list. A document never contains another document: if one seems
to stand among its passages, annotations or relations, its own end is missing.
"""

import codecs
import contextlib
import json
import re
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from biobert_tf.common import streams
from biobert_tf.common.errors import InputError
from biobert_tf.common.streams import Stream
from biobert_tf.documents import fields
from biobert_tf.documents.framed import Frame
from biobert_tf.documents.window import Window

NOT_BIOC: Final = 'not BioC: want an object with "documents", or a list of documents'
LONGEST_HELD: Final = 1 << 24
"""The most characters that are held while looking for the end of a broken document."""

LIST_KEYS: Final = ("documents", "PubTator3")
_PASSAGES: Final = re.compile(r'"passages"\s*:\s*\[')
_SPACE: Final = re.compile(r"[ \t\n\r]*")
# Replaces the beginning of a file if that is broken.
_HEAD: Final = '{"documents": ['

_DOCUMENTS_INSIDE: Final = "not JSON: documents inside a document"

_DECODER: Final = json.JSONDecoder()
_NO_END: Final = "Unterminated string"
# The longest token whose error is reported at its beginning: `-Infinity`, `\ud83d`.
_LONGEST_TOKEN: Final = 12
# The most "{" before the passages of a document that are tried as its beginning.
_MOST_TRIED: Final = 1000


class Piece(NamedTuple):
    """The text of a document.

    Attributes:
        number: The document's number, from 1.
        text: The text, which may not be valid JSON; "" if it is skipped.
        line: The line where it begins, from 1.
        is_root: Whether the file is this document or has one document per line.
        error: The error, if the text is skipped.
    """

    number: int
    text: str
    line: int
    is_root: bool
    error: InputError | None = None


def pieces(stream: Stream, frame: Frame) -> Iterator[Piece]:
    """Yields the documents of a file.

    Args:
        stream: The file.
        frame: An empty frame; it is filled while the documents are read.

    Raises:
        InputError: The rest of the file cannot be read.
    """
    return _Cutter(stream, frame).pieces()


class _Value(NamedTuple):
    """A parsed value, or the error of one that cannot be parsed.

    Attributes:
        end: The position behind the value, or that of the error.
        value: The value.
        problem: What is wrong, in a few words; "" if nothing is.
        is_cut: Whether the value may be valid once more text has been read.
    """

    end: int
    value: Any = None
    problem: str = ""
    is_cut: bool = False


def _parsed(text: str, start: int) -> _Value:
    """Parses the value that begins at `start`."""
    try:
        value, end = _DECODER.raw_decode(text, start)
    except json.JSONDecodeError as error:
        has_no_end = error.msg.startswith(_NO_END)
        problem = "a string has no end" if has_no_end else error.msg
        is_cut = has_no_end or error.pos >= len(text) - _LONGEST_TOKEN
        return _Value(error.pos, None, problem, is_cut)
    except (RecursionError, ValueError) as error:
        return _Value(start, None, str(error))
    return _Value(end, value)


def _is_document(value: object) -> bool:
    return isinstance(value, dict) and isinstance(value.get("passages"), list)


def _holds_documents(value: object) -> bool:
    """Returns whether a value contains documents where a document cannot have any."""
    if not isinstance(value, dict):
        return isinstance(value, list) and any(map(_is_document, value))
    lists = (value.get(key) for key in ("passages", "annotations", "relations"))
    return any(isinstance(one, list) and any(map(_is_document, one)) for one in lists)


class _Cutter:
    """Walks over the text around the documents, and parses every value in it."""

    def __init__(self, stream: Stream, frame: Frame) -> None:
        decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
        self._text = Window(stream, decoder)  # begins after the last document
        self._frame = frame
        self._closing = ""  # what closes the list of documents and the file
        self._number = 1  # the number of the next document

    def pieces(self) -> Iterator[Piece]:
        try:
            start, end = self._begin()
        except InputError as error:
            start = end = 0
            yield self._without_head(error)
        if self._closing:
            yield from self._members(start)
            return
        if end:
            yield self._document(start, end)
        yield from self._lines()

    def _members(self, start: int) -> Iterator[Piece]:
        """Yields the documents of all lists; the first list's begin at `start`."""
        is_first = True
        while True:
            place: int | None = None
            try:
                place = self._next(start, is_first)
                if place is None:
                    return
                end = self._end_of_document(place)
            except InputError as error:
                if place is not None:
                    self._put(place)
                elif not self._frame.parts:
                    raise
                yield self._skipped(0 if place is None else 1, error)
                start, is_first = 0, True
            else:
                yield self._document(place, end)
                start, is_first = 0, False

    def _begin(self) -> tuple[int, int]:
        """Finds out what the file is, and sets `_closing`.

        Returns:
            The position after the bracket of the first list of documents, and 0. If
            there is none, the positions where the first document begins and ends.
        """
        mark, position = self._mark(0)
        if mark == "{":
            start, end = self._list_in(position)
            if start is None:
                return position, end
            self._closing = "]}"
            return start, 0
        if mark != "[":
            raise self._text.error(0, NOT_BIOC if mark else "not JSON: no value")
        self._closing = "]"
        mark, inner = self._mark(position + 1)
        if mark == "{":
            # An error in the first member is told when it is read as a document.
            with contextlib.suppress(InputError):
                start, _ = self._list_in(inner)
                if start is not None:
                    self._closing = "]}]"
                    return start, 0
        return position + 1, 0

    def _next(self, position: int, is_first: bool) -> int | None:
        """Returns where the next document begins; None at the end of the file.

        Args:
            position: A position before or after a document in a list.
            is_first: Whether no comma is wanted before the document.

        Raises:
            InputError: The text up to there is not JSON.
        """
        mark, position = self._mark(position)
        while mark == "]":
            start = self._next_list(position + 1)
            if start is None:
                return None
            is_first = True
            mark, position = self._mark(start)
        if is_first:
            return position
        if mark != ",":
            raise self._unexpected(mark, position)
        return self._mark(position + 1)[1]

    def _next_list(self, position: int) -> int | None:
        """Returns the position in the next list of documents; None if there is none.

        Args:
            position: The position after a list of documents.
        """
        if self._closing != "]":
            start, position = self._list_in(position)
            if start is not None:
                return start
        if self._closing == "]}]":
            mark, position = self._mark(position)
            if mark == ",":
                _, place = self._mark(position + 1)
                start, _ = self._list_in(place)
                if start is None:
                    problem = f"documents beside collections in one list; {NOT_BIOC}"
                    raise self._text.error(place, problem)
                return start
            if mark != "]":
                raise self._unexpected(mark, position)
            position += 1
        self._end(position)
        return None

    def _list_in(self, position: int) -> tuple[int | None, int]:
        """Walks over the keys of an object up to a list of documents.

        Args:
            position: Where the object begins, or the position after one of its values.

        Returns:
            The position in the list, or None; and the position after the object, or the
            list's.
        """
        mark, position = self._mark(position)
        while mark in ("{", ","):
            is_begun = mark == "{"
            mark, position = self._mark(position + 1)
            if mark == "}" and is_begun:
                break
            if mark != '"':
                raise self._text.error(position, "not JSON: want a key")
            end, key, *_ = self._value(position)
            mark, position = self._mark(end)
            if mark != ":":
                raise self._text.error(position, "not JSON: Expecting ':' delimiter")
            mark, position = self._mark(position + 1)
            if mark == "[" and key in LIST_KEYS:
                return position + 1, position
            mark, position = self._mark(self._value(position).end)
        if mark != "}":
            raise self._unexpected(mark, position)
        return None, position + 1

    def _unexpected(self, mark: str, position: int) -> InputError:
        problem = "Expecting ',' delimiter" if mark else "the file ends"
        problem = f"{mark} closes nothing" if mark in ("]", "}") else problem
        return self._text.error(position, f"not JSON: {problem}")

    def _mark(self, position: int) -> tuple[str, int]:
        """Returns the next character that is not white space, and its position."""
        text = self._text
        while True:
            space = _SPACE.match(text.held, position)
            assert space is not None
            position = space.end()
            if position < len(text.held) or text.is_all:
                return text.held[position : position + 1], position
            text.fill()

    def _value(self, start: int, inside: str = "") -> _Value:
        """Returns the value that begins at `start`.

        Args:
            start: A position.
            inside: What to add to the message if the file ends.

        Raises:
            InputError: The value is not JSON, or contains other documents.
        """
        text = self._text
        while True:
            found = _parsed(text.held, start)
            if not found.problem:
                # A number may continue behind the window, `1e+` with a digit.
                last, num_behind = text.held[found.end - 1], len(text.held) - found.end
                if text.is_all or last in '}]"' or num_behind > len("e+"):
                    return found
            elif not found.is_cut:
                raise text.error(found.end, f"not JSON: {found.problem}")
            elif text.is_all:
                has_ended = found.end >= len(text.held.rstrip())
                problem = f"the file ends{inside}" if has_ended else found.problem
                raise text.error(start, f"not JSON: {problem}")
            elif (
                len(text.held) - start > LONGEST_HELD
                and _next_document(text.held, start + 1, False)[0] is not None
            ):
                raise text.error(start, _DOCUMENTS_INSIDE)
            text.fill()

    def _end_of_document(self, start: int) -> int:
        """Returns the end of the document that begins at `start`.

        Raises:
            InputError: It is not JSON, is a collection, or contains other documents.
        """
        end, value, *_ = self._value(start, f" inside document {self._number}")
        is_collection = isinstance(value, dict) and any(
            isinstance(value.get(key), list) for key in LIST_KEYS
        )
        if self._closing == "]" and is_collection:
            problem = f"collections beside documents in one list; {NOT_BIOC}"
            raise self._text.error(start, problem)
        if _holds_documents(value):
            raise self._text.error(start, _DOCUMENTS_INSIDE)
        return end

    def _end(self, position: int) -> None:
        """Checks the text around the documents and stores the tail in the frame."""
        text = self._text
        mark, position = self._mark(position)
        if mark:
            raise text.error(position, "not JSON: text after the end")
        streams.require_utf8(text.path, text.line, text.held)
        whole = Frame("", self._frame.parts, tail=text.held).text("null")
        fields.parsed_json(text.path, text.line_at(position), whole)
        self._frame.tail = text.held

    def _put(self, start: int) -> None:
        """Moves the text before a document into the frame."""
        line = self._text.line
        before = self._text.drop(start)
        streams.require_utf8(self._text.path, line, before)
        self._frame.put(self._number, before, self._closing)

    def _document(self, start: int, end: int) -> Piece:
        """Cuts out a document."""
        self._put(start)
        return self._cut(end - start)

    def _cut(self, end: int, error: InputError | None = None) -> Piece:
        line = self._text.line
        text = self._text.drop(end)
        self._number += 1
        shown = "" if error else text
        return Piece(self._number - 1, shown, line, not self._closing, error)

    def _skipped(self, position: int, error: InputError) -> Piece:
        """Skips the text up to the next document, where the window then begins.

        Args:
            position: The first position where the document may begin.
            error: Why the text is skipped.

        Raises:
            InputError: The given error, if there is no next document.
        """
        text = self._text
        place: int | None
        while True:
            place, position = _next_document(text.held, position, text.is_all)
            if place is not None:
                break
            if text.is_all:
                raise error
            if position > LONGEST_HELD:
                text.drop(position)
                position = 0
            text.fill()
        line = text.line_at(place)
        problem = f"{error}; skipped up to the next document, line {line}"
        return self._cut(place, InputError(problem))

    def _without_head(self, error: InputError) -> Piece:
        """Skips the beginning of a file, which then is a list or has lines."""
        piece = self._skipped(0, error)
        mark, _ = self._mark(self._value(0).end)
        self._frame.parts = [(1, "")]
        if mark in (",", "]"):
            self._frame.parts = [(1, _HEAD)]
            self._frame.closing = self._closing = "]}"
        return piece

    def _lines(self) -> Iterator[Piece]:
        """Yields the documents that follow the first, one per line."""
        text = self._text
        mark, _ = self._mark(0)
        if not mark:
            self._end(0)
            return
        self._frame.separator = "\n"
        while text.held or not text.is_all:
            end = text.held.find("\n") + 1
            if not end and not text.is_all:
                text.fill()
                continue
            number = text.line
            line = text.drop(end or len(text.held)).strip()
            if line:
                yield Piece(self._number, line, number, True)
                self._number += 1
        self._frame.tail = "\n"


def _next_document(text: str, position: int, is_all: bool) -> tuple[int | None, int]:
    """Finds the next whole document, whatever surrounds it.

    Args:
        text: The text.
        position: The position where the search begins.
        is_all: Whether nothing follows the text.

    Returns:
        The position of the document, or None; and where to continue the search.
    """
    while key := _PASSAGES.search(text, position):
        place, found = _holder(text, position, key.start())
        if found.is_cut and not is_all:
            # Another document in it would mean that its own end is missing.
            if not _PASSAGES.search(text, key.end()):
                return None, place
        elif _is_document(found.value) and not _holds_documents(found.value):
            return place, place
        position = key.end()
    return None, max(position, len(text) - LONGEST_HELD)


def _holder(text: str, lowest: int, key: int) -> tuple[int, _Value]:
    """Returns where the object that has a key begins, and the object, if any.

    Args:
        text: The text.
        lowest: The first position where the object may begin.
        key: The position of the key.
    """
    place = key
    for _ in range(_MOST_TRIED):
        place = text.rfind("{", lowest, place)
        if place < 0:
            break
        found = _parsed(text, place)
        if found.end > key:
            return place, found
    return key, _Value(key)
