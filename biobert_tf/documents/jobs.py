# SPDX-License-Identifier: Apache-2.0
"""Reads the documents of a `Plan` as one stream and writes the annotated outputs.

Every file of an output folder appears only when it is complete, and complete files are
not written again. So an interrupted command resumes when it is started again.
"""

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple

from biobert_tf.common import files, streams
from biobert_tf.common.errors import InputError
from biobert_tf.documents import brat, formats
from biobert_tf.documents.document import Added, Loaded
from biobert_tf.documents.fields import BadMentions, OnBad
from biobert_tf.documents.places import Place, Plan

SETTINGS_FILE: Final = ".biobert-annotate.json"
"""The file in a folder of outputs that stores the settings they were made with."""


class Item(NamedTuple):
    """A document of a job, and the `Place` it is read from and written to."""

    place: Place
    loaded: Loaded


@dataclass
class Totals:
    """The counts of what a job wrote.

    Attributes:
        written: The counts of documents and of new mentions and relations.
        num_kept: The number of outputs that were complete before.
    """

    written: formats.Written = field(default_factory=formats.Written)
    num_kept: int = 0


class Job:
    """Reads documents and writes them, one file after the other."""

    def __init__(
        self,
        plan: Plan,
        settings: Mapping[str, object],
        on_bad: OnBad = streams.refuse,
        bad_mentions: BadMentions = "error",
    ) -> None:
        """Finds the outputs that are still to be written; writes only the settings.

        Args:
            plan: The files to read and write.
            settings: All settings that the outputs depend on, as values of JSON.
            on_bad: Called with the error of every document that cannot be read or
                written.
            bad_mentions: What to do with old mentions that differ from their text.

        Raises:
            InputError: The folder of outputs was written with other settings, or holds
                files that no job wrote.
        """
        self._plan = plan
        self._on_bad = on_bad
        self._bad_mentions = bad_mentions
        self._notes: Counter[str] = Counter()
        if plan.folder is not None:
            _claim(plan.folder, settings)
        self.todo = [
            place
            for place in plan.places
            if plan.folder is None or not _is_whole(place)
        ]
        self._unread: set[Place] = set()
        for error in plan.bad:
            on_bad(error)

    def documents(self) -> Iterator[Item]:
        """Yields the documents of the outputs that are still to be written."""
        for place in self.todo:
            bad: list[InputError] = []

            def on_bad(error: InputError, bad: list[InputError] = bad) -> None:
                bad.append(error)
                self._on_bad(error)

            has_good = False
            try:
                for loaded in formats.read(
                    *(place.source, place.format, on_bad, place.name),
                    bad_mentions=self._bad_mentions,
                    notes=self._notes,
                ):
                    has_good = True
                    yield Item(place, loaded)
            except InputError as error:
                on_bad(error)
            if bad and not has_good:
                # An empty output would count as complete and never be written again.
                self._unread.add(place)

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
        totals = Totals(num_kept=len(self._plan.places) - len(self.todo))
        self._write(annotated, totals)
        totals.written.notes.update(self._notes)
        return totals

    def _write(self, annotated: Iterable[tuple[Item, Added]], totals: Totals) -> None:
        if self._plan.folder is None:
            totals.written.add(self._write_all(annotated))
            return
        groups = itertools.groupby(annotated, lambda pair: pair[0].place)
        found, group = next(groups, (None, None))
        for place in self.todo:
            # All documents up to those of `found` have been read.
            if place == found and group is not None:
                totals.written.add(self._write_one(place, _unpacked(group)))
                found, group = next(groups, (None, None))
            elif place not in self._unread:
                totals.written.add(self._write_one(place, ()))
        self._require_some(self._plan.folder)

    def _require_some(self, target: Path) -> None:
        """Raises an error if no document of the input could be read."""
        if self._unread and len(self._unread) == len(self._plan.places):
            problem = "nothing to write: no document can be read, see above"
            raise InputError.at(target, None, problem)

    def _write_all(self, annotated: Iterable[tuple[Item, Added]]) -> formats.Written:
        """Writes all documents to one target."""
        place = self._plan.places[0]

        def documents() -> Iterator[tuple[Loaded, Added]]:
            yield from _unpacked(annotated)
            self._require_some(place.target)

        is_merged = len(self._plan.places) > 1
        return formats.write(
            place.target, place.target_format, documents(), self._on_bad, is_merged
        )

    def _write_one(
        self, place: Place, documents: Iterable[tuple[Loaded, Added]]
    ) -> formats.Written:
        """Writes the documents of one file; a BRAT folder appears when complete."""
        is_folder = place.target_format == "brat" and place.whole == place.target
        if not is_folder:
            return formats.write(
                place.target, place.target_format, documents, self._on_bad
            )
        with files.replacing(place.target) as target:
            target.mkdir()
            return formats.write(target, place.target_format, documents, self._on_bad)


def _unpacked(
    annotated: Iterable[tuple[Item, Added]],
) -> Iterator[tuple[Loaded, Added]]:
    return ((item.loaded, added) for item, added in annotated)


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
        sources += brat.annotations_of(place.source)
    newest = max((path.stat().st_mtime for path in sources if path.exists()), default=0)
    return place.whole.stat().st_mtime >= newest
