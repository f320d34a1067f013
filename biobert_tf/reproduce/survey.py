# SPDX-License-Identifier: Apache-2.0
"""Looks at the data of each row: what is missing, the counts, and the known flaws."""

import collections
import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from biobert_tf import problems
from biobert_tf.common.errors import InputError
from biobert_tf.published import counts, manifest
from biobert_tf.published.manifest import Counts, Row
from biobert_tf.training.checking import CheckSettings, Report, Ruler, SetReport
from biobert_tf.training.fold_numbers import Folds

_PROBLEMS: Final = {each.command: each for each in problems.TRAINED}


@dataclasses.dataclass(frozen=True)
class Flaw:
    """A kind of flaw in the data: `count` of the `of` rows of a file have it."""

    finding: str
    count: int
    of: int
    text: str


@dataclasses.dataclass(frozen=True)
class Survey:
    """What was found about a row's data.

    Attributes:
        folder: Its folder.
        folds: The folds to run; empty for one set.
        why: Why it cannot be run; "" if it can.
        counts: What its files hold, by name.
        counts_agree: Whether they hold what the manifest says; None if it says nothing.
        not_compared: Why its scores are not compared with published ones; "" if they
            are.
        notes: What a reader of its scores should know.
        card: The flaws of the data.
        has_devel: Whether it has development examples.
    """

    row: Row
    folder: Path
    folds: tuple[int, ...] = ()
    why: str = ""
    counts: Mapping[str, Counts] = dataclasses.field(default_factory=dict)
    counts_agree: bool | None = None
    not_compared: str = ""
    notes: tuple[str, ...] = ()
    card: tuple[Flaw, ...] = ()
    has_devel: bool = False

    def total(self, *stems: str) -> dict[str, int]:
        """Returns what the files whose names begin so hold together, folds added up."""
        total: collections.Counter[str] = collections.Counter()
        for name, units in self.counts.items():
            if Path(name).name.startswith(stems):
                total.update(units)
        return dict(total)

    def test_size(self) -> dict[str, int]:
        """Returns what the test files hold together, in the units of `counts`."""
        stem = "test"
        if self.row.questions is not None:
            stem = self.row.questions.predict.partition("?")[0]
        return self.total(stem)


def look(row: Row, data: Path, folds: Folds, ruler: Ruler) -> Survey:
    """Returns what is found about a row below `--data`; bad data is told, not raised.

    The ruler measures how many texts are longer than the model's rows.
    """
    folder = _folder(row, data)
    chosen = _folds(row, folds)
    found = Survey(row, folder, chosen, notes=row.notes)
    try:
        names = list(_needed(row, folder, chosen))
        paths = {name: counts.find(row, folder, name) for name in names}
        if lacking := [name for name, path in paths.items() if path is None]:
            more = f" and {len(lacking) - 1} more" if lacking[1:] else ""
            what = str(folder / lacking[0])
            if row.problem == "classification":
                what = f"the {lacking[0]} set in {folder}"
            raise InputError(f"{what} is missing{more}")
        held = {name: counts.count(row, path) for name, path in paths.items() if path}
        return _compared(dataclasses.replace(found, counts=held), ruler)
    except InputError as error:
        return dataclasses.replace(found, why=str(error), folds=())


def _folder(row: Row, data: Path) -> Path:
    """Returns the first of the folders of a row that is there, else the usual one."""
    places = [data / name for name in row.folders]
    return next((place for place in places if place.is_dir()), places[0])


def _folds(row: Row, folds: Folds) -> tuple[int, ...]:
    every = range(1, row.folds + 1)
    return tuple(number for number in every if not folds or number in folds.numbers)


def _needed(row: Row, folder: Path, folds: tuple[int, ...]) -> Iterator[str]:
    """Yields the names of the files that the experiments of a row read."""
    for name in row.files:
        if row.folds and int(name.partition("/")[0]) not in folds:
            continue
        is_train = row.questions is not None and name == row.questions.train
        if is_train and not (folder / name).is_file() and row.questions is not None:
            # What replaces it is missing too if there is nothing here.
            substitute = row.questions.substitute
            yield substitute.golden if substitute else name
        else:
            yield name


def _compared(found: Survey, ruler: Ruler) -> Survey:
    """Returns a survey with the counts compared and the flaws counted."""
    row, notes = found.row, list(found.notes)
    expected = {name: units for name, units in row.files.items() if units}
    known = expected.keys() & found.counts.keys()
    different = counts.differences(expected, found.counts)
    agree = not different if known else None
    not_compared = ""
    for variant in row.variants:
        if not counts.differences(variant.files, found.counts):
            agree, not_compared = False, variant.note
            notes.append(variant.note)
    if different and not not_compared:
        not_compared = f"the data differs from the published: {different[0]}"
        notes.append(f"The data differs from what is known: {'; '.join(different)}.")
    questions = row.questions
    if questions and questions.substitute and questions.train not in found.counts:
        not_compared = questions.substitute.note
        notes.append(questions.substitute.note)
    devel = found.total("devel", "dev")
    return dataclasses.replace(
        found,
        counts_agree=agree,
        not_compared=not_compared,
        notes=tuple(notes),
        card=_card(found, ruler),
        has_devel=any(devel.values()),
    )


def _card(found: Survey, ruler: Ruler) -> tuple[Flaw, ...]:
    """Returns the flaws that `biobert data-check` finds, by kind and file."""
    row = found.row
    if row.questions is not None:
        # The folder holds other years too.
        return ()
    name = str(row.flags.get("task_name", ""))
    report = _PROBLEMS[row.problem].check(CheckSettings(found.folder, ruler, name))
    return tuple(
        _flaws(report, {str(fold) for fold in found.folds}, ruler.max_seq_length)
    )


def _flaws(report: Report, folds: set[str], length: int) -> Iterator[Flaw]:
    """Yields the flaws of a report; those of several folds are added up."""
    sets = [each for each in report.sets if not folds or each.name in folds]
    where = f", {len(sets)} folds added up" if len(sets) > 1 else ""
    sizes: collections.Counter[str] = collections.Counter()
    longer: collections.Counter[tuple[str, str]] = collections.Counter()
    kinds: collections.Counter[tuple[str, tuple[str, ...]]] = collections.Counter()
    for each in sets:
        for file in each.files:
            name = _base(each, file.file)
            sizes[name] += file.num_rows
            num_longer = file.longest.num_longer if file.longest else None
            longer[f"{file.rows} of {name}", name] += num_longer or 0
        for problem in each.problems:
            names = tuple(_base(each, file) for file in problem.files)
            kinds[problem.kind, names] += problem.num
    for (kind, names), number in kinds.items():
        text = report.kinds[kind].format(*names)
        yield Flaw(kind, number, sizes[names[0]], f"{text}{where}")
    for (rows, name), number in longer.items():
        text = f"{rows} that are longer than {length} pieces{where}"
        yield from [Flaw("too_long", number, sizes[name], text)] if number else ()


def _base(report: SetReport, file: str) -> str:
    """Returns the name of a file without its fold: `test.tsv` for `1/test.tsv`."""
    return file.removeprefix(f"{report.name}/")


def of_squad(data: Path) -> tuple[Path | None, str]:
    """Returns the training file of SQuAD below `--data`, if any, and what to say."""
    squad = manifest.load().squad
    for number, name in enumerate(squad.train):
        path = data / squad.folder / name
        if path.is_file():
            return path, squad.substitute if number else ""
    return None, "not trained on SQuAD first, because there is no training file of it"


def as_dict(flaw: Flaw) -> dict[str, Any]:
    """Returns a flaw ready for JSON."""
    return dataclasses.asdict(flaw)
