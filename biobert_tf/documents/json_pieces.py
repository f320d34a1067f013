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

from biobert_tf.common.errors import InputError
from biobert_tf.common.streams import Stream
from biobert_tf.documents import fields
from biobert_tf.documents.framed import Frame, Piece, Window

NOT_BIOC: Final = 'not BioC: want an object with "documents", or a list of documents'
LONGEST_HELD: Final = 1 << 24
"""The most characters that are held while looking for the end of a broken document."""

LIST_KEYS: Final = ("documents", "PubTator3")
_PASSAGES: Final = re.compile(r'"passages"\s*:\s*\[')
_MARK: Final = re.compile(r"[^ \t\n\r]")
# Replaces the beginning of a file if that is broken.
_HEAD: Final = '{"documents": ['

_DOCUMENTS_INSIDE: Final = "not JSON: documents inside a document"

_DECODER: Final = json.JSONDecoder()
_NO_END: Final = "Unterminated string"
# The longest token whose error is reported at its beginning: `-Infinity`, `\ud83d`.
_LONGEST_TOKEN: Final = 12
# The most "{" before the passages of a document that are tried as its beginning.
_MOST_TRIED: Final = 1000


def pieces(stream: Stream, frame: Frame) -> Iterator[Piece]:
    """Yields the documents of a file, and fills the empty frame meanwhile.

    Raises:
        InputError: The rest of the file cannot be read.
    """
    return _Cutter(stream, frame).pieces()


class _Value(NamedTuple):
    """A parsed value, or the problem ("" if none) of one that cannot be parsed.

    `end` is the position behind the value, or that of the problem; `is_cut` says
    whether the value may be valid once more text has been read.
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
    lists = [value]
    if isinstance(value, dict):
        lists = [value.get(key) for key in ("passages", "annotations", "relations")]
    return any(isinstance(one, list) and any(map(_is_document, one)) for one in lists)


class _Cutter(Window):
    """Walks over the text around the documents, and parses every value in it."""

    def __init__(self, stream: Stream, frame: Frame) -> None:
        decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
        super().__init__(stream, decoder, frame)
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
                elif not self.frame.parts:
                    raise
                yield self._skipped(0 if place is None else 1, error)
                is_first = True
            else:
                yield self._document(place, end)
                is_first = False
            start = 0

    def _begin(self) -> tuple[int, int]:
        """Finds out what the file is, and sets `_closing`.

        Returns the position in the first list of documents, and 0; or, if there is no
        list, the positions where the first document begins and ends.
        """
        mark, position = self._mark(0)
        if mark == "{":
            is_list, end = self._list_in(position)
            if is_list:
                self._closing = "]}"
            return (end, 0) if is_list else (position, end)
        if mark != "[":
            raise self.error(0, NOT_BIOC if mark else "not JSON: no value")
        self._closing = "]"
        mark, inner = self._mark(position + 1)
        if mark == "{":
            # An error in the first member is told when it is read as a document.
            with contextlib.suppress(InputError):
                is_list, start = self._list_in(inner)
                if is_list:
                    self._closing = "]}]"
                    return start, 0
        return position + 1, 0

    def _next(self, position: int, is_first: bool) -> int | None:
        """Returns where the next document begins; None at the end of the file.

        `position` is one before or after a document in a list; `is_first` says that no
        comma is wanted before the document. Raises `InputError` for other text.
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
        """Returns the position in the next list of documents; None if there is none."""
        if self._closing != "]":
            is_list, position = self._list_in(position)
            if is_list:
                return position
        if self._closing == "]}]":
            mark, position = self._mark(position)
            if mark == ",":
                _, place = self._mark(position + 1)
                is_list, start = self._list_in(place)
                if is_list:
                    return start
                problem = f"documents beside collections in one list; {NOT_BIOC}"
                raise self.error(place, problem)
            if mark != "]":
                raise self._unexpected(mark, position)
            position += 1
        self._end(position)
        return None

    def _list_in(self, position: int) -> tuple[bool, int]:
        """Walks over the keys of an object up to a list of documents, if it has one.

        It begins where the object begins, or after one of its values; it returns
        whether there is a list, and the position in the list or after the object.
        """
        mark, position = self._mark(position)
        while mark in ("{", ","):
            is_begun = mark == "{"
            mark, position = self._mark(position + 1)
            if mark == "}" and is_begun:
                break
            if mark != '"':
                raise self.error(position, "not JSON: want a key")
            end, key, *_ = self._value(position)
            mark, position = self._mark(end)
            if mark != ":":
                raise self.error(position, "not JSON: Expecting ':' delimiter")
            mark, position = self._mark(position + 1)
            if mark == "[" and key in LIST_KEYS:
                return True, position + 1
            mark, position = self._mark(self._value(position).end)
        if mark != "}":
            raise self._unexpected(mark, position)
        return False, position + 1

    def _unexpected(self, mark: str, position: int) -> InputError:
        problem = "Expecting ',' delimiter" if mark else "the file ends"
        problem = f"{mark} closes nothing" if mark in ("]", "}") else problem
        return self.error(position, f"not JSON: {problem}")

    def _mark(self, position: int) -> tuple[str, int]:
        """Returns the next character that is not white space, and its position."""
        while not (mark := _MARK.search(self.held, position)):
            position = len(self.held)
            if self.is_all:
                return "", position
            self.fill()
        return mark[0], mark.start()

    def _value(self, start: int, inside: str = "") -> _Value:
        """Returns the value that begins at `start`.

        Raises `InputError` if it is not JSON or contains other documents; `inside` is
        added to the message if the file ends.
        """
        while True:
            found = _parsed(self.held, start)
            if not found.problem:
                # A number may continue behind the window, `1e+` with a digit.
                last, num_behind = self.held[found.end - 1], len(self.held) - found.end
                if self.is_all or last in '}]"' or num_behind > len("e+"):
                    return found
            elif not found.is_cut:
                raise self.error(found.end, f"not JSON: {found.problem}")
            elif self.is_all:
                has_ended = found.end >= len(self.held.rstrip())
                problem = f"the file ends{inside}" if has_ended else found.problem
                raise self.error(start, f"not JSON: {problem}")
            elif (
                len(self.held) - start > LONGEST_HELD
                and _next_document(self.held, start + 1, False)[0] is not None
            ):
                raise self.error(start, _DOCUMENTS_INSIDE)
            self.fill()

    def _end_of_document(self, start: int) -> int:
        """Returns the end of the document that begins at `start`.

        Raises `InputError` if it is not JSON, is a collection or contains documents.
        """
        end, value, *_ = self._value(start, f" inside document {self._number}")
        is_collection = isinstance(value, dict) and any(
            isinstance(value.get(key), list) for key in LIST_KEYS
        )
        if self._closing == "]" and is_collection:
            problem = f"collections beside documents in one list; {NOT_BIOC}"
            raise self.error(start, problem)
        if _holds_documents(value):
            raise self.error(start, _DOCUMENTS_INSIDE)
        return end

    def _end(self, position: int) -> None:
        """Checks the text around the documents and stores the tail in the frame."""
        mark, position = self._mark(position)
        if mark:
            raise self.error(position, "not JSON: text after the end")
        fields.parsed_json(self.path, self.line_at(position), self.around("null"))
        self.frame.tail = self.held

    def _put(self, start: int) -> None:
        """Moves the text before a document into the frame."""
        self.frame.put(self._number, self.dropped(start), self._closing)

    def _document(self, start: int, end: int) -> Piece:
        self._put(start)
        return self._cut(end - start)

    def _cut(self, end: int, error: InputError | None = None) -> Piece:
        line = self.line
        text = self.drop(end)
        self._number += 1
        shown = "" if error else text
        return Piece(self._number - 1, shown, line, error, not self._closing)

    def _skipped(self, position: int, error: InputError) -> Piece:
        """Skips the text up to the next document, where the window then begins.

        The document may begin at `position` or behind it. If there is none, `error`,
        which says why the text is skipped, is raised.
        """
        while True:
            place, position = _next_document(self.held, position, self.is_all)
            if place is not None:
                break
            if self.is_all:
                raise error
            if position > LONGEST_HELD:
                self.drop(position)
                position = 0
            self.fill()
        line = self.line_at(place)
        problem = f"{error}; skipped up to the next document, line {line}"
        return self._cut(place, InputError(problem))

    def _without_head(self, error: InputError) -> Piece:
        """Skips the beginning of a file, which then is a list or has lines."""
        piece = self._skipped(0, error)
        mark, _ = self._mark(self._value(0).end)
        self.frame.parts = [(1, "")]
        if mark in (",", "]"):
            self.frame.parts = [(1, _HEAD)]
            self.frame.closing = self._closing = "]}"
        return piece

    def _lines(self) -> Iterator[Piece]:
        """Yields the documents that follow the first, one per line."""
        if not self._mark(0)[0]:
            self._end(0)
            return
        self.frame.separator = "\n"
        while self.held or not self.is_all:
            end = self.held.find("\n") + 1
            if not end and not self.is_all:
                self.fill()
                continue
            number, text = self.line, self.drop(end or len(self.held)).strip()
            if text:
                yield Piece(self._number, text, number, is_root=True)
                self._number += 1
        self.frame.tail = "\n"


def _next_document(text: str, position: int, is_all: bool) -> tuple[int | None, int]:
    """Finds the next whole document from a position, whatever surrounds it.

    Returns its position, or None, and where to continue the search; `is_all` says
    whether nothing follows the text.
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
    """Returns where the object with the key at `key` begins, and the object, if any.

    It does not begin before `lowest`.
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
