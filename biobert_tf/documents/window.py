# SPDX-License-Identifier: Apache-2.0
"""A window on the text of a file: extended at its end, dropped from its beginning.

`json_pieces` and `xml_pieces` cut documents from it; all other text becomes a `Frame`.
"""

import codecs
import dataclasses
from typing import NamedTuple

from biobert_tf.common import streams
from biobert_tf.common.errors import InputError
from biobert_tf.common.streams import BOM, Stream
from biobert_tf.documents.framed import Frame


class Piece(NamedTuple):
    """The text of a document, which may be damaged.

    Attributes:
        number: The document's number, from 1.
        text: The text; "" if it is skipped.
        line: The line where it begins, from 1.
        error: Why the text is skipped, if it is.
        is_root: Whether a JSON file is this document or has one document per line.
        prefixes: The namespaces that an XML collection declares, as attributes.
    """

    number: int
    text: str
    line: int
    error: InputError | None = None
    is_root: bool = False
    prefixes: str = ""


class Window:
    """The part of a file's text that is held in memory, after the last document.

    Attributes:
        frame: The text around the documents so far.
        path: The file's name in messages.
        held: The text in the window.
        line: The line of its first character, from 1.
        is_all: Whether nothing follows the window.
    """

    def __init__(
        self, stream: Stream, decoder: codecs.IncrementalDecoder, frame: Frame
    ) -> None:
        """Starts before the first character; reads nothing yet."""
        self.frame = frame
        self.path = stream.path
        self.held = ""
        self.line = 1
        self.is_all = False
        self._chunks = stream.chunks()
        self._decoder = decoder
        self._failure: InputError | None = None

    def fill(self) -> None:
        """Doubles the window, so that the time for a long document stays linear.

        Raises:
            InputError: The rest of the file cannot be read, or is in another encoding.
        """
        is_start = not self.held and self.line == 1
        parts, size = [self.held], 0
        while size <= len(self.held) and not (self.is_all or self._failure):
            try:
                data = next(self._chunks, b"")
                self.is_all = not data
                parts.append(self._decoder.decode(data, final=self.is_all))
            except UnicodeDecodeError as error:
                problem = f"not {error.encoding}, the encoding it declares"
                self._failure = InputError.at(
                    self.path, None, f"{problem}; convert it to UTF-8"
                )
            except InputError as error:
                self._failure = error
            size = sum(map(len, parts[1:]))
        if self._failure and not size:
            raise self._failure
        self.held = "".join(parts)
        if is_start:
            self.held = self.held.removeprefix(BOM)

    def drop(self, end: int) -> str:
        """Removes the first `end` characters and returns them."""
        dropped, self.held = self.held[:end], self.held[end:]
        self.line += dropped.count("\n")
        return dropped

    def dropped(self, end: int) -> str:
        """Removes the first `end` characters, which must be UTF-8, and returns them."""
        line, before = self.line, self.drop(end)
        streams.require_utf8(self.path, line, before)
        return before

    def around(self, filling: str) -> str:
        """Returns the file with `filling` in place of the documents, at its end."""
        streams.require_utf8(self.path, self.line, self.held)
        return dataclasses.replace(self.frame, tail=self.held).text(filling)

    def line_at(self, position: int) -> int:
        """Returns the line of the character at `position`."""
        return self.line + self.held.count("\n", 0, position)

    def error(self, position: int, problem: str) -> InputError:
        """Returns an error at the line of the character at `position`."""
        return InputError.at(self.path, self.line_at(position), problem)
