# SPDX-License-Identifier: Apache-2.0
"""Which column of a table, or which key of an object, holds what.

A column is named by the user, or known by one of the usual names in a header. Without
a header it is known by its place:

    text, label                 two columns
    id, text, label             three, if the first is one word and the second several
    text, second text, label    three, if the first and the second are several words
    id, text, second text, label
"""

import dataclasses
import itertools
import re
from collections.abc import Sequence
from typing import Final

from biobert_tf.classification.examples import Target
from biobert_tf.classification.settings import ReadingConfig
from biobert_tf.common.errors import InputError

_PAIRS: Final = (
    ("sentence1", "sentence2"),
    ("sent1", "sent2"),
    ("text1", "text2"),
    ("text_a", "text_b"),
    ("question1", "question2"),
    ("premise", "hypothesis"),
    ("question", "context"),
    ("question", "sentence"),
)
_SINGLES: Final = ("sentence", "text", "abstract", "document", "question")
_IDS: Final = ("index", "id", "pair_id", "pairid", "guid", "pmid")
_LABELS: Final = ("label", "labels", "gold_label", "class", "category", "score")
_NUMBERS: Final = ("score", "label", "value")
_TEXTS: Final = frozenset(_SINGLES).union(*_PAIRS)
_KNOWN: Final = _TEXTS.union(_IDS, _LABELS, _NUMBERS)
_NUMBER: Final = re.compile("[0-9]+")
# What stands for an entity in a sentence, which may be a word alone.
_PLACEHOLDER: Final = re.compile(r"@[A-Za-z][\w-]*\$")


@dataclasses.dataclass(frozen=True)
class Columns:
    """The places of what an example is made of, from 0; None for what is not there."""

    text: int
    pair: int | None = None
    label: int | None = None
    id: int | None = None
    group: int | None = None

    def shown(self, names: Sequence[str]) -> str:
        """Returns which column is what, for the log: `text is 'sentence', ...`."""
        places = {role: at for role, at in vars(self).items() if at is not None}
        shown = (
            f"{role} is {names[at]!r}" if names else f"{role} is column {at + 1}"
            for role, at in places.items()
        )
        return ", ".join(shown)


def clean(names: Sequence[str]) -> list[str]:
    """Returns names as they are compared: in lower case, without quotes and spaces."""
    return [name.strip('" \r\n').lower() for name in names]


def is_header(cells: Sequence[str], config: ReadingConfig) -> bool:
    """Returns whether a first row names the columns.

    It does if a column that the user names is there, or a usual name of a text, alone
    or beside another usual name.
    """
    if config.header != "auto":
        return config.header == "yes"
    if any(each and not _NUMBER.fullmatch(each) for each in _wanted(config).values()):
        return True
    names = clean(cells)
    num_known = len(_KNOWN.intersection(names))
    return not _TEXTS.isdisjoint(names) and (num_known > 1 or len(names) == 1)


def _wanted(config: ReadingConfig) -> dict[str, str]:
    """Returns the columns that the user names, by role."""
    roles = (field.name for field in dataclasses.fields(Columns))
    return {role: getattr(config, f"{role}_column") for role in roles}


def of_names(names: Sequence[str], config: ReadingConfig, target: Target) -> Columns:
    """Returns the columns of a header, or of the keys of an object.

    Raises:
        InputError: A column that the user names is not there; or there is no text, or
            more than one that may be it.
    """
    known = clean(names)
    named = {
        role: _place(role, name, len(names), known)
        for role, name in _wanted(config).items()
    }
    text, pair = named["text"], named["pair"]
    if text is None:
        text, guessed = _texts(known, pair)
        pair = guessed if pair is None else pair
    labels = _NUMBERS if target == "regression" else _LABELS
    found = Columns(
        text,
        pair,
        _first(known, labels) if named["label"] is None else named["label"],
        _first(known, _IDS) if named["id"] is None else named["id"],
        named["group"],
    )
    return _checked(found)


def _texts(known: Sequence[str], pair: int | None) -> tuple[int, int | None]:
    """Returns the places of the text and of a second text, if the names tell them."""
    for first, second in _PAIRS:
        if pair is None and first in known and second in known:
            return known.index(first), known.index(second)
    candidates = _SINGLES if pair is None else sorted(_TEXTS)
    found = [each for each in candidates if each in known and known.index(each) != pair]
    if len(found) == 1:
        return known.index(found[0]), None
    held = ", ".join(known)
    if not found:
        problem = f"no column is known to be the text ({held})"
    else:
        problem = f"the text may be {' or '.join(found)}"
    raise InputError(f"{problem}; say which with --text_column")


def _first(known: Sequence[str], names: Sequence[str]) -> int | None:
    return next((known.index(name) for name in names if name in known), None)


def _place(role: str, name: str, num: int, known: Sequence[str]) -> int | None:
    """Returns the place of a column that the user names, by name or number, if any."""
    if not name:
        return None
    if _NUMBER.fullmatch(name) and 1 <= int(name) <= num:
        return int(name) - 1
    [cleaned] = clean([name])
    if cleaned in known:
        return known.index(cleaned)
    held = f"the columns are {', '.join(known)}" if known else f"there are {num}"
    hint = "" if known else ", without a header"
    raise InputError(f"--{role}_column={name}: no such column; {held}{hint}")


def _checked(found: Columns) -> Columns:
    """Rejects one column for two things."""
    places = {role: at for role, at in vars(found).items() if at is not None}
    for (one, at), (other, place) in itertools.combinations(places.items(), 2):
        if at == place and "group" not in (one, other):
            raise InputError(
                f"column {at + 1} would be {one} and {other}; say which columns they "
                f"are with --{one}_column and --{other}_column"
            )
    return found


def of_places(cells: Sequence[str], config: ReadingConfig) -> Columns:
    """Returns the columns of a table without a header, whose first row has `cells`.

    If the user names any, these are all there are.

    Raises:
        InputError: There is no such column, or the places do not tell which is what.
    """
    num = len(cells)
    named = {
        role: _place(role, name, num, ())
        for role, name in _wanted(config).items()
        if name
    }
    if named:
        if "text" not in named:
            raise InputError("say which column is the text with --text_column")
        return _checked(Columns(**{"text": 0, **named}))  # type: ignore[arg-type]
    several = [len(cell.split()) > 1 for cell in cells]
    match num:
        case 1:
            return Columns(0)
        case 2:
            return Columns(0, label=1)
        case 3 if several[:2] == [True, True]:
            return Columns(0, 1, 2)
        case 3 if several[1] and not _PLACEHOLDER.search(cells[0]):
            return Columns(1, label=2, id=0)
        case 4 if several[1:3] == [True, True] and not several[0]:
            return Columns(1, 2, 3, id=0)
    raise InputError(
        f"{num} columns without a header, and their places do not tell which is the "
        "text; say it with --text_column=1, --label_column=2 and so on"
    )
