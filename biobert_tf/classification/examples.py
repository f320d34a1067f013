# SPDX-License-Identifier: Apache-2.0
"""What is classified: a text, or a pair of texts, with what is known of it."""

import dataclasses
from typing import Literal

Target = Literal["single", "multi", "regression"]
"""What is learned of a text: one of K labels, any of K labels, or a number."""


@dataclasses.dataclass(frozen=True)
class TextExample:
    """A text, or a pair of texts, with its target.

    Attributes:
        id: The id in the file, or the number of the row, from 0.
        line: 1-based line of the file where the example begins, for messages.
        text: The text as the file has it.
        pair: The second text, if there is one.
        labels: `single`: its one label; `multi`: any number of labels, also none. None
            if they are unknown.
        value: `regression`: the number; None if it is unknown.
        group: The document that the text is a sentence of; "" without documents.
    """

    id: str
    line: int
    text: str
    pair: str | None = None
    labels: tuple[str, ...] | None = None
    value: float | None = None
    group: str = ""
