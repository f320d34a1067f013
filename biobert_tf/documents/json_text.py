# SPDX-License-Identifier: Apache-2.0
"""The text of a JSON file, read as it is needed, token by token."""

import codecs
import re
from typing import Final

from biobert_tf.common.errors import InputError
from biobert_tf.common.streams import BOM, Stream
from biobert_tf.documents import json_values
from biobert_tf.documents.json_values import TOKEN

# Text of a broken document that is held, so that its end may be found.
LONGEST_HELD: Final = 1 << 24
# Text that may yet become the document behind a broken one.
_LONGEST_HOPE: Final = 1 << 26


class Text:
    """A part of a file, which grows at its end and is dropped from its beginning.

    Attributes:
        path: What messages call the file.
        held: The part.
        line: Of its first character, from 1.
        is_all: Whether nothing follows it.
        failure: Why the file cannot be read behind it, if it cannot.
        num_dropped: Characters before it.
    """

    def __init__(self, stream: Stream) -> None:
        """Reads nothing yet."""
        self.path = stream.path
        self.held = ""
        self.line = 1
        self.is_all = False
        self.failure: InputError | None = None
        self.num_dropped = 0
        self._chunks = stream.chunks()
        self._decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
        self._is_begun = False

    def fill(self) -> None:
        """Reads about as much again as there is, that a long string costs no more."""
        parts, size = [self.held], 0
        while size <= len(self.held) and not self.is_all:
            try:
                data = next(self._chunks, b"")
            except InputError as error:
                # What came before it is read first.
                self.failure, data = error, b""
            self.is_all = not data
            parts.append(self._decoder.decode(data, final=self.is_all))
            size += len(parts[-1])
        self.held = "".join(parts)
        if not self._is_begun:
            self.held = self.held.removeprefix(BOM)
            self._is_begun = bool(self.held)

    def drop(self, end: int) -> str:
        """Takes the first characters away and returns them."""
        dropped, self.held = self.held[:end], self.held[end:]
        self.line += dropped.count("\n")
        self.num_dropped += end
        return dropped

    def line_at(self, position: int) -> int:
        """Returns the line of a character."""
        return self.line + self.held.count("\n", 0, position)

    def error(self, position: int, problem: str) -> InputError:
        """Returns what is wrong at a character."""
        return InputError.at(self.path, self.line_at(position), problem)

    def next(self, position: int) -> re.Match[str] | None:
        """Returns the next token that is whole; None behind the last.

        Raises:
            InputError: A string has no end.
        """
        while True:
            token = TOKEN.search(self.held, position)
            # A string without end, or a number that may go on.
            is_cut = token is None or (
                token[0] == '"'
                or (token.end() == len(self.held) and token[0][0] not in '{}[]:,"')
            )
            if not is_cut or (self.is_all and token is None):
                return token
            if self.is_all:
                assert token is not None
                if token[0] == '"':
                    raise self.error(token.start(), "not JSON: a string has no end")
                return token
            self.fill()

    def next_document(self, position: int) -> int | None:
        """Returns where a whole document begins; drops what is far before it."""
        while True:
            found, position = json_values.next_document(
                self.held, position, self.is_all
            )
            if found is not None or self.is_all:
                return found
            if len(self.held) - position > _LONGEST_HOPE:
                position += 1
            if position > LONGEST_HELD:
                self.drop(position)
                position = 0
            self.fill()
