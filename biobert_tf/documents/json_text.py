# SPDX-License-Identifier: Apache-2.0
"""Reads the text of a JSON file as it is needed and finds its tokens."""

import codecs
import re
from typing import Final

from biobert_tf.common.errors import InputError
from biobert_tf.common.streams import BOM, Stream
from biobert_tf.documents import json_values
from biobert_tf.documents.json_values import TOKEN

# The most characters of a broken document that are kept while looking for its end.
LONGEST_HELD: Final = 1 << 24
# The most characters kept as the possible beginning of the next document after that.
_LONGEST_HOPE: Final = 1 << 26


class Text:
    """A window on a file's text, extended at its end and dropped from its beginning.

    Attributes:
        path: The file's name in messages.
        held: The text in the window.
        line: The line of its first character, from 1.
        is_all: Whether nothing follows the window.
        failure: The error if the rest of the file cannot be read, else None.
        num_dropped: The number of characters before the window.
    """

    def __init__(self, stream: Stream) -> None:
        """Starts before the first character; reads nothing yet."""
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
        """Doubles the window, so that the time for a long string stays linear."""
        parts, size = [self.held], 0
        while size <= len(self.held) and not self.is_all:
            try:
                data = next(self._chunks, b"")
            except InputError as error:
                # The text before the error is used first.
                self.failure, data = error, b""
            self.is_all = not data
            parts.append(self._decoder.decode(data, final=self.is_all))
            size += len(parts[-1])
        self.held = "".join(parts)
        if not self._is_begun:
            self.held = self.held.removeprefix(BOM)
            self._is_begun = bool(self.held)

    def drop(self, end: int) -> str:
        """Removes the first `end` characters and returns them."""
        dropped, self.held = self.held[:end], self.held[end:]
        self.line += dropped.count("\n")
        self.num_dropped += end
        return dropped

    def line_at(self, position: int) -> int:
        """Returns the line of the character at `position`."""
        return self.line + self.held.count("\n", 0, position)

    def error(self, position: int, problem: str) -> InputError:
        """Returns an error at the line of the character at `position`."""
        return InputError.at(self.path, self.line_at(position), problem)

    def next(self, position: int) -> re.Match[str] | None:
        """Returns the next whole token; None after the last one.

        Raises:
            InputError: A string has no end.
        """
        while True:
            token = TOKEN.search(self.held, position)
            # A string without end, or a number that may continue.
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
        """Returns the position of the next whole document; drops text far before it."""
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
