# SPDX-License-Identifier: Apache-2.0
"""Cuts a JSON file into its documents without parsing the whole file at once.

The documents are the members of a list under "documents" (of a collection) or
"PubTator3", or of a list that is the whole file, or of collections in such a list; or
the file is one document, or one per line. All other text becomes the `Frame`.

An error in a document loses no other document. If the brackets of the broken document
match, it is cut out and its parser reports the error. Otherwise everything up to the
next whole object with a list of passages is skipped, and reading continues there as if
that object stood in the same list.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

from biobert_tf.common import streams
from biobert_tf.common.errors import InputError
from biobert_tf.common.streams import Stream
from biobert_tf.documents import fields, json_values
from biobert_tf.documents.framed import Frame
from biobert_tf.documents.json_text import LONGEST_HELD, Text
from biobert_tf.documents.json_values import CLOSING, Broken

LIST_KEYS: Final = ("documents", "PubTator3")
NOT_BIOC: Final = 'not BioC: want an object with "documents", or a list of documents'

# Replaces the beginning of a file if that is broken.
_HEAD: Final = '{"documents": ['


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


@dataclass
class _Level:
    """An open bracket.

    Attributes:
        bracket: "{" or "[".
        is_list: Whether its members are documents.
        may_have_list: Whether it may be a collection: the whole file or a member of it.
        key: The last key, if it is an object.
        wants_key: Whether the next string is a key.
    """

    bracket: str
    is_list: bool = False
    may_have_list: bool = False
    key: str = ""
    wants_key: bool = False


def pieces(stream: Stream, frame: Frame) -> Iterator[Piece]:
    """Yields the documents of a file.

    Args:
        stream: The file.
        frame: An empty frame; it is filled while the documents are read.

    Raises:
        InputError: The rest of the file cannot be read.
    """
    return _Cutter(Text(stream), frame).pieces()


class _Cutter:
    """Reads the tokens around documents and keeps track of the open brackets."""

    def __init__(self, text: Text, frame: Frame) -> None:
        self._text = text  # begins after the last document
        self._frame = frame
        self._position = 0  # where to look for the next token
        self._levels: list[_Level] = []
        self._around: list[_Level] = []  # the levels around the last document
        self._start: int | None = None  # where the open document begins
        self._depth = 0  # the number of brackets around it
        self._number = 1  # the number of the next document
        self._members = ""  # the kind of members, if the whole file is a list
        self._is_begun = False
        self._is_left_out = False  # whether the last document was skipped

    def pieces(self) -> Iterator[Piece]:
        while True:
            try:
                piece = self._next_piece()
            except InputError as error:
                piece = self._recovered(error)
            if piece is None:
                return
            yield piece
            if piece.is_root and (piece.error or self._text.next(0)):
                yield from self._lines()
                return

    def _next_piece(self) -> Piece | None:
        while (token := self._text.next(self._position)) is not None:
            if self._is_begun and not self._levels:
                raise self._text.error(token.start(), "not JSON: text after the end")
            self._is_begun = True
            self._position = token.end()
            if self._is_document_ended(token):
                if token[0] in "}]":
                    self._require_json(self._start or 0)
                return self._piece(self._position)
        if self._text.failure is not None:
            raise self._text.failure
        if self._levels:
            inside = "" if self._start is None else f" inside document {self._number}"
            problem = f"not JSON: the file ends{inside}"
            place = self._position if self._start is None else self._start
            raise self._text.error(place, problem)
        self._end()
        return None

    def _end(self) -> None:
        """Checks the text around the documents and stores the tail in the frame."""
        text = self._text
        streams.require_utf8(text.path, text.line, text.held)
        if self._around or self._number == 1:
            whole = Frame("", self._frame.parts, tail=text.held)
            line = text.line_at(self._position)
            fields.parsed_json(text.path, line, whole.text("null"))
        self._frame.tail = text.held

    def _is_document_ended(self, token: re.Match[str]) -> bool:
        """Processes a token; returns whether it ends a document."""
        mark = token[0]
        level = self._levels[-1] if self._levels else None
        if mark in ":,":
            self._take_mark(token, level)
            return False
        if mark in "}]":
            if level is None or CLOSING[level.bracket] != mark:
                problem = f"not JSON: {mark} closes nothing"
                raise self._text.error(token.start(), problem)
            self._levels.pop()
            return self._start is not None and len(self._levels) == self._depth
        if level is not None and level.wants_key:
            if mark[0] == '"':
                level.key = _string(mark)
                return False
            if mark in CLOSING:
                raise self._text.error(token.start(), "not JSON: want a key")
        return self._is_value_ended(token, level)

    def _take_mark(self, token: re.Match[str], level: _Level | None) -> None:
        """Processes a comma or colon."""
        if level is None:
            return
        level.wants_key = token[0] == "," and level.bracket == "{"
        if token[0] == ":" and level.is_list:
            raise self._text.error(token.start(), "not JSON: : in a list")

    def _is_value_ended(self, token: re.Match[str], level: _Level | None) -> bool:
        """Processes the first token of a value; returns whether it is a document."""
        mark = token[0]
        is_outermost = level is None or level.is_list
        is_list = mark == "[" and (
            level is None or (level.may_have_list and level.key in LIST_KEYS)
        )
        if is_list:
            self._require_alike(token.start(), "collections")
            self._start = None
        elif self._start is None and is_outermost:
            self._require_comma(token.start())
            self._start, self._depth = token.start(), len(self._levels)
            if mark in CLOSING and self._is_among_documents():
                self._position = self._whole(token.start())
                return True
        if mark in CLOSING:
            is_whole = not self._levels or (
                len(self._levels) == 1 and self._levels[0].bracket == "["
            )
            self._levels.append(_Level(mark, is_list, is_whole, wants_key=mark == "{"))
            return False
        if level is None:
            raise self._text.error(token.start(), NOT_BIOC)
        return self._start is not None and len(self._levels) == self._depth

    def _require_comma(self, start: int) -> None:
        """Checks the text between a document and the last one of the same list.

        Raises:
            InputError: The text is not a comma.
        """
        is_same = self._around and self._levels and self._around[-1] is self._levels[-1]
        before = self._text.held[:start].strip()
        if is_same and before != "," and not self._is_left_out:
            problem = "Expecting value" if "," in before else "Expecting ',' delimiter"
            raise self._text.error(start, f"not JSON: {problem}")

    def _is_among_documents(self) -> bool:
        """Returns whether the current member of a list can only be a document."""
        return len(self._levels) > 1 or (
            len(self._levels) == 1 and self._members == "documents"
        )

    def _whole(self, start: int) -> int:
        """Returns the end of the document that begins at `start`.

        Raises:
            InputError: The document is not JSON, or contains other documents.
        """
        text = self._text
        while isinstance(found := json_values.value_at(text.held, start), Broken):
            if not found.is_cut:
                raise text.error(found.place, f"not JSON: {found.problem}")
            is_long = len(text.held) - start > LONGEST_HELD
            if is_long and json_values.next_document(text.held, start + 1, False)[0]:
                raise text.error(start, "not JSON: documents inside a document")
            if text.is_all:
                problem = f"the file ends inside document {self._number}"
                if "string" in found.problem:
                    problem = found.problem
                raise text.error(start, f"not JSON: {problem}")
            text.fill()
        if len(self._levels) == 1 and _is_collection(found.value):
            problem = f"collections beside documents in one list; {NOT_BIOC}"
            raise text.error(start, problem)
        if json_values.holds_documents(text.held, start, found):
            raise text.error(start, "not JSON: documents inside a document")
        return found.end

    def _require_json(self, start: int) -> None:
        """Checks that what seems to be the first or only document of a file is JSON.

        Raises:
            InputError: It is not; its brackets may match those of other documents.
        """
        found = json_values.value_at(self._text.held, start)
        if isinstance(found, Broken):
            raise self._text.error(found.place, f"not JSON: {found.problem}")

    def _piece(self, end: int) -> Piece:
        start = self._start
        assert start is not None
        self._require_alike(start, "documents")
        self._put_away(start)
        return self._cut(end - start)

    def _put_away(self, start: int) -> None:
        """Moves the text before a document into the frame."""
        text, before = self._text, self._text.held[:start]
        if before.strip() == "," and self._number > 1:
            self._frame.separator = before
        elif not self._is_left_out:
            streams.require_utf8(text.path, text.line, before)
            self._frame.parts.append((self._number, before))
            levels = self._levels[: self._depth]
            self._frame.closing = "".join(
                CLOSING[level.bracket] for level in reversed(levels)
            )
        text.drop(start)

    def _cut(self, end: int, error: InputError | None = None) -> Piece:
        """Cuts out a document, or with an error the text that is skipped."""
        line = self._text.line
        text = self._text.drop(end)
        self._start, self._position = None, 0
        self._around = [*self._levels]
        self._number += 1
        self._is_left_out = error is not None
        shown = "" if error else text
        return Piece(self._number - 1, shown, line, not self._levels, error)

    def _recovered(self, error: InputError) -> Piece:
        """Continues after the broken document if its end is found, else at the next.

        Returns:
            The skipped text with its error, or a document whose error its parser will
            report.

        Raises:
            InputError: The given error, if there is no such place.
        """
        if self._start is not None:
            return self._behind_broken(self._start, error)
        if self._number == 1:
            raise self._text.failure or error
        self._levels = [*self._around]
        return self._left_out(self._text.next_document(0), error)

    def _behind_broken(self, start: int, error: InputError) -> Piece:
        text = self._text
        self._levels = self._levels[: self._depth]
        self._put_away(start)
        found = json_values.value_at(text.held, 0)
        num_dropped = text.num_dropped
        place = text.next_document(1)
        is_held = text.num_dropped == num_dropped
        if isinstance(found, Broken) and is_held:
            stop = len(text.held) if place is None else place
            end = json_values.balanced_end(text.held, 0, stop)
            if end is not None and (
                place is None or text.held[end:place].strip() in ("", ",")
            ):
                return self._cut(end)
            if not found.is_cut:
                # The token-by-token check finds an error later than this parse does.
                error = text.error(found.place, f"not JSON: {found.problem}")
        return self._left_out(place, error)

    def _left_out(self, place: int | None, error: InputError) -> Piece:
        """Skips the text before the next document.

        Raises:
            InputError: There is no next document.
        """
        text = self._text
        if place is None:
            raise text.failure or error
        if not self._levels:
            self._take_for_a_list(place)
        elif len(self._levels) == 1:
            self._members = "documents"
        line = text.line_at(place)
        problem = f"{error}; skipped up to the next document, line {line}"
        return self._cut(place, InputError(problem))

    def _take_for_a_list(self, place: int) -> None:
        """Decides whether a file whose beginning is broken is a list or has lines."""
        found = json_values.value_at(self._text.held, place)
        assert isinstance(found, json_values.Whole)
        token = self._text.next(found.end)
        if token is not None and token[0] in ",]":
            self._frame.parts = [(1, _HEAD)]
            self._levels = [_Level("{"), _Level("[", is_list=True)]
            self._frame.closing = "]}"

    def _lines(self) -> Iterator[Piece]:
        """Yields the documents that follow the first, one per line."""
        text = self._text
        self._frame.separator = "\n"
        while text.held or not text.is_all:
            end = text.held.find("\n")
            if end < 0 and not text.is_all:
                text.fill()
                continue
            if end < 0 and text.failure is not None:
                break
            number = text.line
            line = text.drop(end + 1 if end >= 0 else len(text.held)).strip()
            if line:
                yield Piece(self._number, line, number, True)
                self._number += 1
        if text.failure is not None:
            raise text.failure
        self._frame.tail = "\n"

    def _require_alike(self, position: int, kind: str) -> None:
        """Checks that a list does not hold both documents and collections.

        Raises:
            InputError: It holds both; the message names the line of the second kind.
        """
        is_member = len(self._levels) == 1 + (kind == "collections")
        if is_member and self._levels[0].bracket == "[":
            if self._members not in ("", kind):
                problem = f"{kind} beside {self._members} in one list; {NOT_BIOC}"
                raise self._text.error(position, problem)
            self._members = kind


def _is_collection(value: object) -> bool:
    return isinstance(value, dict) and any(
        isinstance(value.get(key), list) for key in LIST_KEYS
    )


def _string(token: str) -> str:
    try:
        return str(json.loads(token))
    except ValueError:
        return token
