# SPDX-License-Identifier: Apache-2.0
"""Reads texts and pairs of texts with their labels or numbers: files to examples.

`open_set` finds out how the files of a folder are laid out (see `layouts`), and
`TextSet.read` reads one of them. A text is what the file has, also if it is empty.
"""

import dataclasses
import json
import logging
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from biobert_tf.classification import detection, layouts, rows
from biobert_tf.classification.examples import Target, TextExample
from biobert_tf.classification.layouts import LAYOUTS
from biobert_tf.classification.rows import Form, Row
from biobert_tf.classification.settings import ReadingConfig
from biobert_tf.common.errors import InputError

_LOG = logging.getLogger(__name__)

SPLITS: Final = ("train", "dev", "test")
_SEPARATORS: Final = re.compile(r"[|;]")
_LISTED: Final = 20  # Labels that a message names.


@dataclasses.dataclass(frozen=True, kw_only=True)
class TextSet:
    """The files of a folder, whose layout is known.

    Attributes:
        form: How they are laid out.
        labels: The labels of the layout or of the settings, in the order of their ids;
            None if the training file tells them; empty for numbers.
        has_pairs: Whether there is a second text.
        has_groups: Whether texts are sentences of documents.
    """

    data_dir: Path
    form: Form
    labels: tuple[str, ...] | None
    has_pairs: bool
    has_groups: bool

    @property
    def target(self) -> Target:
        """Returns what is learned."""
        return self.form.target

    def path(self, split: str) -> Path | None:
        """Returns the file of a split, if there is one."""
        return layouts.find(self.data_dir, split, self.form.layout)

    def read(
        self, split: str, needs_labels: bool, labels: Sequence[str] | None = None
    ) -> list[TextExample]:
        """Reads the examples of a split: train, dev or test.

        A file none of whose rows has a label or number is for prediction; if only some
        are missing, it is wrong. `labels` are those that may occur, by default those of
        the set; None allows any.

        Raises:
            InputError: There is no such file, or it cannot be read or is empty; labels
                are missing though needed, or are none of `labels`.
        """
        path = self.path(split)
        if path is None:
            wanted = ", ".join(layouts.names_of(split, self.form.layout))
            raise InputError.at(self.data_dir, None, f"no {split} set; want {wanted}")
        found = self.rows(split)
        if not found:
            raise InputError.at(path, 1, "holds no text; want a text in every row")
        if needs_labels or any(map(is_labelled, found)):
            allowed = self.labels if labels is None else labels
            for example in found:
                if problem := _problem(example, allowed):
                    raise InputError.at(path, example.line, problem)
        return found

    def training_labels(self) -> tuple[str, ...]:
        """Returns the labels of the training file, sorted; their order gives the ids.

        Raises:
            InputError: As `read` does.
        """
        labels = labels_of(self.read("train", needs_labels=True))
        if self.target == "single" and (joined := joined_labels(labels)):
            _LOG.warning(
                "%s is learned as a label of its own; if a text may have several "
                "labels, give --target=multi",
                joined[0],
            )
        return labels

    def rows(self, split: str) -> list[TextExample]:
        """Returns the examples of a split, of any labels or none; [] without a file.

        Raises:
            InputError: The file cannot be read, or a row is malformed; the message
                names its line.
        """
        path = self.path(split)
        if path is None:
            return []
        found = rows.read(path, split, self.form)
        if found and (found[0].pair is not None) != self.has_pairs:
            has, lacks = ("lacks", "have") if self.has_pairs else ("has", "lack")
            problem = f"{has} a second text, which the other files {lacks}"
            raise InputError.at(path, found[0].line, problem)
        if all(row.label == "" for row in found):
            # Of several labels, none is an empty cell; but a column of these says
            # nothing.
            found = [row._replace(label=None) for row in found]
        return [_example(path, row, self.form) for row in found]


def is_labelled(example: TextExample) -> bool:
    """Returns whether the label, the labels or the number of an example are known."""
    return example.labels is not None or example.value is not None


def labels_of(examples: Iterable[TextExample]) -> tuple[str, ...]:
    """Returns the labels that occur, sorted; their order gives the ids."""
    return tuple(sorted({label for each in examples for label in each.labels or ()}))


def joined_labels(labels: Sequence[str]) -> tuple[str, ...]:
    """Returns the labels that are several of the others in one cell, as in `a|b`."""
    return tuple(
        label
        for label in labels
        if len(parts := _SEPARATORS.split(label)) > 1
        and all(part.strip() in labels for part in parts)
    )


def _problem(example: TextExample, labels: Sequence[str] | None) -> str:
    if not is_labelled(example):
        return (
            "no label or number; training and scoring need one in every row (see "
            "--label_column)"
        )
    for label in example.labels or ():
        if labels is not None and label not in labels:
            more = ", ..." if len(labels) > _LISTED else ""
            known = ", ".join(labels[:_LISTED]) + more
            return f"label {label!r} is none of {known}"
    return ""


# --- targets --------------------------------------------------------------------------


def _example(path: Path, row: Row, form: Form) -> TextExample:
    labels, value = None, None
    try:
        if form.target == "regression":
            value = _value(row.label)
        else:
            labels = _labels(row.label, form)
    except InputError as error:
        raise InputError.at(path, row.line, str(error)) from None
    return TextExample(row.id, row.line, row.text, row.pair, labels, value, row.group)


def _value(label: object) -> float | None:
    """Returns the number that a cell or a JSON value holds; None if it is empty."""
    if label is None or (isinstance(label, str) and not label.strip()):
        return None
    is_text = isinstance(label, str | int | float) and not isinstance(label, bool)
    value = layouts.number(str(label)) if is_text else None
    if value is None:
        raise InputError(f"{label!r} is no finite number; regression needs one")
    return value


def _labels(label: object, form: Form) -> tuple[str, ...] | None:
    """Returns the labels that a cell or a JSON value holds; None if it is empty."""
    if label is None:
        return None
    if form.layout == "hoc":
        return _hallmarks(str(label))
    parts = [part.strip() for part in _parts(label, form)]
    parts = [part for part in parts if part]
    if len({*parts}) < len(parts):
        raise InputError(
            f"a label stands twice in {', '.join(parts)}; want the names of the "
            "labels, each once"
        )
    # Copies of a published set differ in case.
    own = {each.casefold(): each for each in LAYOUTS[form.layout].labels or ()}
    found = tuple(own.get(part.casefold(), part) for part in parts)
    if form.target == "multi":
        return found
    if len(found) > 1:
        raise InputError(
            f"{len(found)} labels ({', '.join(found)}); for several give --target=multi"
        )
    return found or None


def _parts(label: object, form: Form) -> list[str]:
    if isinstance(label, list):
        return [_word(each) for each in label]
    if form.target == "multi" and isinstance(label, str):
        separator = form.config.label_separator
        return label.split(separator) if separator else _SEPARATORS.split(label)
    return [_word(label)]


def _word(value: object) -> str:
    if isinstance(value, dict | list) or value is None:
        raise InputError(f"label {value!r}; want a text, a number, or a list of these")
    return value if isinstance(value, str) else json.dumps(value)


def _hallmarks(label: str) -> tuple[str, ...] | None:
    if not label:
        return None
    found = layouts.hallmarks(label)
    if found is None:
        raise InputError(f"labels {label!r}; want 0_0,1_0,... to 9_0, and _1 for yes")
    return found


# --- opening a folder -----------------------------------------------------------------


def open_set(
    data_dir: Path, config: ReadingConfig, default: Target | None = None
) -> TextSet:
    """Finds the layout of the files of a folder, and logs it.

    The first of train, dev and test that is not empty tells it. `default` is the target
    of `auto` where the layout has none of its own; without it, a column `labels` says
    that there are several.

    Raises:
        InputError: There is no file, or one of them cannot be read; their layout is
            doubtful; or the settings do not fit it.
    """
    found = _layouts(data_dir, config)
    first, name = next(iter(found.items()))
    for path, other in found.items():
        _require_alike(first, name, path, other)
    layout = LAYOUTS[name]
    form = Form(name, _target(data_dir, name, config) or default or "single", config)
    # A quote in HoC is a character.
    is_quoted = name != "hoc" and all(rows.has_header(path, form) for path in found)
    form = dataclasses.replace(form, has_quoting=is_quoted)
    has_pairs, described = layout.has_pairs, ""
    if has_pairs is None:
        columns, names = rows.columns_of(first, form)
        has_pairs, described = columns.pair is not None, f"; {columns.shown(names)}"
        is_said = default is not None or config.target != "auto"
        if not is_said and names and columns.label is not None:
            is_several = names[columns.label].strip().lower() == "labels"
            form = dataclasses.replace(form, target="multi" if is_several else "single")
    shown = f"layout {name}, target {form.target}{described}"
    _LOG.info("%s: %s", data_dir, shown)
    return TextSet(
        data_dir=data_dir,
        form=form,
        labels=_own_labels(form),
        has_pairs=has_pairs,
        has_groups=layout.has_groups or bool(config.group_column),
    )


def _layouts(data_dir: Path, config: ReadingConfig) -> dict[Path, str]:
    """Returns the names of the layouts of the files that are not empty, at least one.

    Raises:
        InputError: There is no such file, or one of them cannot be read.
    """
    if not data_dir.is_dir():
        raise InputError.at(data_dir, None, "no such directory")
    paths = [layouts.find(data_dir, split, config.layout) for split in SPLITS]
    held = [path for path in paths if path]
    if not held:
        names = layouts.names_of("train", config.layout)
        problem = f"holds no train, dev or test set; want {', '.join(names)} and so on"
        raise InputError.at(data_dir, None, problem)
    named = {path: detection.layout_of(path, config) for path in held}
    found = {path: name for path, name in named.items() if name}
    if not found:
        raise InputError.at(held[0], 1, "holds no text; want a text in every row")
    return found


def _target(data_dir: Path, name: str, config: ReadingConfig) -> Target | None:
    own, asked = LAYOUTS[name].target, config.target
    if asked == "auto":
        return own
    if own not in (None, asked):
        raise InputError(
            f"--target={asked}: {data_dir} has the layout {name}, whose target is "
            f"{own}; leave --target out, or give another --layout"
        )
    return asked


def _own_labels(form: Form) -> tuple[str, ...] | None:
    """Returns the labels of a layout or of the settings, if these tell them."""
    layout, named = LAYOUTS[form.layout], form.config.labels.named
    if layout.target is not None:
        return layout.labels
    if form.target != "regression":
        return named or None
    if named:
        raise InputError("--labels: a regression has none; leave it out")
    return ()


def _require_alike(first: Path, name: str, path: Path, other: str) -> None:
    """Refuses files of different layouts.

    A file of a published layout may lack its label, and then looks like any other.
    """
    is_plain = other in ("table", "jsonl")
    is_same_kind = LAYOUTS[name].is_json == LAYOUTS[other].is_json
    if other != name and not (is_plain and is_same_kind):
        raise InputError.at(
            path,
            1,
            f"looks like {other}, but {first.name} like {name}; say which it is with "
            "--layout",
        )
