# SPDX-License-Identifier: Apache-2.0
"""Reads the documents of a `Plan` as one stream and writes the annotated outputs.

Every file of an output folder appears only when it is complete, and complete files are
not written again. So an interrupted command resumes when it is started again.
"""

import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple

from biobert_tf.common import files
from biobert_tf.common.errors import InputError
from biobert_tf.documents import formats
from biobert_tf.documents.document import Added, Loaded
from biobert_tf.documents.places import Place, Plan

SETTINGS_FILE: Final = ".biobert-annotate.json"
"""The file in a folder of outputs that stores the settings they were made with."""


class Item(NamedTuple):
    """A document of a job.

    Attributes:
        place: The index of its `Place` in the plan.
        loaded: The document.
    """

    place: int
    loaded: Loaded


@dataclass
class Totals:
    """The counts of what a job wrote.

    Attributes:
        written: The counts of documents and of new mentions and relations.
        files: The outputs that were written.
        num_kept: The number of outputs that were complete before.
    """

    written: formats.Written = field(default_factory=formats.Written)
    files: list[Path] = field(default_factory=list)
    num_kept: int = 0


class Job:
    """Reads documents and writes them, one file after the other."""

    def __init__(
        self,
        plan: Plan,
        settings: Mapping[str, object],
        on_bad: formats.OnBad = formats.refuse,
    ) -> None:
        """Finds the outputs that are still to be written; writes only the settings.

        Args:
            plan: The files to read and write.
            settings: All settings that the outputs depend on, as values of JSON.
            on_bad: Called with the error of every document that cannot be read or
                written.

        Raises:
            InputError: The folder of outputs was written with other settings, or holds
                files that no job wrote.
        """
        self._places = plan.places
        self._folder = plan.folder
        self._on_bad = on_bad
        if plan.folder is not None:
            _claim(plan.folder, settings)
        self.todo = [
            i
            for i, place in enumerate(plan.places)
            if plan.folder is None or not _is_whole(place)
        ]
        self._unread: set[int] = set()
        for error in plan.bad:
            on_bad(error)

    def documents(self) -> Iterator[Item]:
        """Yields the documents of the outputs that are still to be written."""
        for i in self.todo:
            place = self._places[i]
            num_good = num_bad = 0

            def on_bad(error: InputError) -> None:
                nonlocal num_bad
                num_bad += 1
                self._on_bad(error)

            try:
                for loaded in formats.read(
                    place.source, place.format, on_bad, place.name
                ):
                    num_good += 1
                    yield Item(i, loaded)
            except InputError as error:
                on_bad(error)
            if num_bad and not num_good:
                # An empty output would count as complete and never be written again.
                self._unread.add(i)

    def write(self, annotated: Iterable[tuple[Item, Added]]) -> Totals:
        """Writes documents with their new mentions and relations.

        Args:
            annotated: The items of `documents` in the same order, with additions as
                `formats.write` takes them. Some may be missing.

        Returns:
            The counts of what was written.

        Raises:
            InputError: An output cannot be written, or no document could be read; then
                nothing is written.
        """
        totals = Totals(num_kept=len(self._places) - len(self.todo))
        if self._folder is None:
            self._write_all(annotated, totals)
        else:
            self._write_each(annotated, totals)
            self._require_some()
        return totals

    def _require_some(self) -> None:
        """Raises an error if no document of the input could be read."""
        if self._unread and len(self._unread) == len(self._places):
            path = self._places[0].target if self._folder is None else self._folder
            raise InputError.at(
                path, None, "nothing to write: no document can be read, see above"
            )

    def _write_each(
        self, annotated: Iterable[tuple[Item, Added]], totals: Totals
    ) -> None:
        """Writes the documents of each file to its own target."""
        remaining = iter(self.todo)
        for i, group in itertools.groupby(annotated, lambda pair: pair[0].place):
            for other in iter(remaining.__next__, i):
                self._write_one(other, (), totals)
            documents = ((item.loaded, added) for item, added in group)
            self._write_one(i, documents, totals)
        for other in remaining:
            self._write_one(other, (), totals)

    def _write_all(
        self, annotated: Iterable[tuple[Item, Added]], totals: Totals
    ) -> None:
        """Writes all documents to one target."""
        place = self._places[0]

        def documents() -> Iterator[tuple[Loaded, Added]]:
            yield from ((item.loaded, added) for item, added in annotated)
            self._require_some()

        written = formats.write(
            place.target,
            place.target_format,
            documents(),
            self._on_bad,
            is_merged=len(self._places) > 1,
        )
        totals.written.add(written)
        totals.files.append(place.target)

    def _write_one(
        self, i: int, documents: Iterable[tuple[Loaded, Added]], totals: Totals
    ) -> None:
        """Writes the documents of one file, unless the file could not be read."""
        place = self._places[i]
        if i in self._unread:
            return
        if place.target_format == "brat" and place.whole == place.target:
            written = _write_folder(place, documents, self._on_bad)
        else:
            written = formats.write(
                place.target, place.target_format, documents, self._on_bad
            )
        totals.written.add(written)
        totals.files.append(place.whole)


def _claim(folder: Path, settings: Mapping[str, object]) -> None:
    """Stores a job's settings in a folder, or checks those that are stored there.

    Raises:
        InputError: The stored settings differ, or the folder holds other files.
    """
    path = folder / SETTINGS_FILE
    if path.is_file():
        if files.read_json(path) != dict(settings):
            raise InputError.at(
                folder,
                None,
                "was written with other settings; choose another folder, or remove it "
                "to begin again",
            )
        return
    if folder.is_dir() and any(folder.iterdir()):
        raise InputError.at(
            folder,
            None,
            "holds files that this command did not write; choose an empty or a new "
            "folder",
        )
    files.write_json(path, dict(settings))


def _is_whole(place: Place) -> bool:
    """Returns whether an output exists and is not older than its input."""
    if not place.whole.exists():
        return False
    sources = [place.source]
    if place.format == "brat":
        sources.append(place.source.with_suffix(".ann"))
    newest = max((path.stat().st_mtime for path in sources if path.exists()), default=0)
    return place.whole.stat().st_mtime >= newest


def _write_folder(
    place: Place, documents: Iterable[tuple[Loaded, Added]], on_bad: formats.OnBad
) -> formats.Written:
    """Writes a BRAT folder, which appears under its name when it is complete.

    Raises:
        InputError: The folder cannot be written, or exists and is not empty.
    """
    with files.replacing(place.target) as temporary:
        temporary.mkdir()
        return formats.write(temporary, place.target_format, documents, on_bad)
