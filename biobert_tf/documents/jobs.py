# SPDX-License-Identifier: Apache-2.0
"""Reads the documents of a `Plan` as one stream and writes the annotated outputs.

Every file of an output folder appears only when it is complete, and complete files are
not written again. So an interrupted command resumes when it is started again.
"""

import contextlib
import itertools
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, NamedTuple, TypeVar

from biobert_tf.common import files, leftovers, remote_path, streams
from biobert_tf.common.clock import Meter
from biobert_tf.common.errors import InputError
from biobert_tf.documents import brat, formats
from biobert_tf.documents.document import Added, Annotated, Loaded
from biobert_tf.documents.fields import BadMentions, OnBad
from biobert_tf.documents.places import Place, Plan

SETTINGS_FILE: Final = ".biobert-annotate.json"
"""The file in a folder of outputs that stores the settings they were made with."""
_WHOLE: Final = ".biobert-whole"

Found = TypeVar("Found")


class Item(NamedTuple):
    """A document of a job, and the `Place` it is read from and written to."""

    place: Place
    loaded: Loaded


@dataclass
class Totals:
    """What a job wrote, and the number of outputs that were complete before."""

    written: formats.Written = field(default_factory=formats.Written)
    num_kept: int = 0

    def remarks(self, left_out: Counter[str]) -> list[str]:
        """Returns the end of a summary: what was there, noted and left out."""
        parts = []
        if self.num_kept:
            parts.append(f"{self.num_kept} files were there already")
        notes = sorted(self.written.notes.items())
        parts += [f"{number} x {note}" for note, number in notes]
        if left_out:
            kinds = ", ".join(f"{n} x {kind}" for kind, n in sorted(left_out.items()))
            parts.append(f"{left_out.total()} left out, see above: {kinds}")
        return parts


class Job:
    """Reads documents and writes them, one file after the other.

    Attributes:
        todo: The places whose outputs are still to be written.
        unread: The places of which no document could be read, with the first reason;
            known when they have been read.
        is_empty: Whether all was read, and there was no document.
    """

    def __init__(
        self,
        plan: Plan,
        settings: Mapping[str, object],
        on_bad: OnBad = streams.refuse,
        bad_mentions: BadMentions = "error",
        require: Callable[[Item], None] = lambda item: None,
    ) -> None:
        """Finds the outputs that are still to be written; writes only the settings.

        The settings are all that the outputs depend on, as values of JSON. `on_bad`
        gets the error of every document that cannot be read or written. `require`
        raises `InputError` for a document that cannot be used.

        Raises:
            InputError: The folder of outputs was written with other settings, or holds
                files that no job wrote.
        """
        self._plan = plan
        self._is_merged = plan.folder is None and len(plan.places) > 1
        self._on_bad = on_bad
        self._bad_mentions = bad_mentions
        self._require = require
        self._notes: Counter[str] = Counter()
        self.unread: dict[Place, str] = {}
        self.is_empty = False
        self.todo = list(plan.places)
        if plan.folder is not None:
            _claim(plan.folder, settings)
            self.todo = [place for place in plan.places if not _is_whole(place)]
        for error in plan.bad:
            on_bad(error)

    @property
    def num_kept(self) -> int:
        """The number of outputs that were complete before."""
        return len(self._plan.places) - len(self.todo)

    def documents(self) -> Iterator[Item]:
        """Yields the documents of the outputs that are still to be written.

        If several files are merged, documents without an id are named `FILE-NUMBER`.
        """
        has_some = False
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
                    if self._is_merged and loaded.document.is_numbered:
                        loaded = _named_by_file(loaded, place)
                    item = Item(place, loaded)
                    try:
                        self._require(item)
                    except InputError as error:
                        on_bad(error)
                        continue
                    has_good = has_some = True
                    yield item
            except InputError as error:
                on_bad(error)
            if bad and not has_good:
                # An empty output would count as complete and never be written again.
                self.unread[place] = str(bad[0])
        self.is_empty = not has_some

    def annotated(
        self,
        items: Iterable[Item],
        find: Callable[[Iterable[Loaded]], Iterator[Found]],
        added: Callable[[Item, Found], Added],
        doing: str,
    ) -> Iterator[tuple[Item, Added]]:
        """Yields items with what is added to them; logs the progress.

        Args:
            items: Those of `documents`.
            find: Yields what is found in every document, in order; may read ahead.
            added: Makes additions of what is found.
            doing: What is done, for the log.
        """
        waiting: deque[Item] = deque()
        numbers = {place: number for number, place in enumerate(self.todo, start=1)}

        def documents() -> Iterator[Loaded]:
            for item in items:
                waiting.append(item)
                yield item.loaded

        with Meter(doing, "documents") as meter:
            for number, found in enumerate(find(documents()), start=1):
                item = waiting.popleft()
                yield item, added(item, found)
                note = f"file {numbers[item.place]} of {len(numbers)}"
                meter.to(number, note if len(numbers) > 1 else "")

    def write(self, annotated: Iterable[tuple[Item, Added]]) -> Totals:
        """Writes the items of `documents` with additions for `formats.write`.

        They are in the same order; some may be missing.

        Raises:
            InputError: An output cannot be written, or no document could be read; then
                nothing is written.
        """
        totals = Totals(num_kept=self.num_kept)
        with self.telling_kept():
            for written in self._written(annotated):
                totals.written.add(written)
        totals.written.notes.update(self._notes)
        return totals

    @contextlib.contextmanager
    def telling_kept(self) -> Iterator[None]:
        """Lets a `KeyboardInterrupt` say what is written."""
        folder, places = self._plan.folder, self._plan.places
        if folder is None:
            with streams.telling_kept(places[0].target):
                yield
            return
        try:
            yield
        except KeyboardInterrupt as error:
            kept = f"{sum(map(_is_whole, places))} of {len(places)} files are whole"
            error.args = (f"{kept} in {folder}; the same command does the others",)
            raise

    def _written(
        self, annotated: Iterable[tuple[Item, Added]]
    ) -> Iterator[formats.Written]:
        """Writes all outputs, and yields the counts of each."""
        if self._plan.folder is None:
            place = self._plan.places[0]
            yield self._write_to(place.target, place, annotated)
            return
        groups = itertools.groupby(annotated, lambda pair: pair[0].place)
        found, group = next(groups, (None, None))
        for place in self.todo:
            # All documents up to those of `found` have been read.
            if place == found and group is not None:
                yield self._write_one(place, group)
                found, group = next(groups, (None, None))
            elif place not in self.unread:
                yield self._write_one(place, ())
        self.require_some()

    def require_some(self) -> None:
        """Raises an error if no document of the input could be read.

        In a folder of outputs, that of a file without documents is empty and complete.

        Raises:
            InputError: There is nothing to write; the message says why.
        """
        target = self._plan.folder or self._plan.places[0].target
        if self._plan.folder is None and self.is_empty and not self.unread:
            raise InputError.at(target, None, "nothing to write: there is no document")
        if self.unread and len(self.unread) == len(self._plan.places):
            problem = "nothing to write: no document can be read; the first error: "
            first = next(iter(self.unread.values()))
            raise InputError.at(target, None, f"{problem}{first}")

    def _write_one(
        self, place: Place, annotated: Iterable[tuple[Item, Added]]
    ) -> formats.Written:
        """Writes the documents of one file; a BRAT folder appears when complete."""
        if not _is_folder(place):
            return self._write_to(place.target, place, annotated)
        if (mark := _mark(place)) != place.whole:
            # A killed job may have left a part of it.
            files.remove_tree(place.target)
        with files.replacing(place.target) as target:
            target.mkdir()
            written = self._write_to(target, place, annotated)
        if mark != place.whole:
            files.write_text(mark, "")
        return written

    def _write_to(
        self, target: Path, place: Place, annotated: Iterable[tuple[Item, Added]]
    ) -> formats.Written:
        is_all = self._plan.folder is None

        def documents() -> Iterator[Annotated]:
            for item, added in annotated:
                yield item.loaded, added
            if is_all:
                self.require_some()

        return formats.write(
            target, place.target_format, documents(), self._on_bad, self._is_merged
        )


def _named_by_file(loaded: Loaded, place: Place) -> Loaded:
    name = f"{place.name}-{loaded.document.id}"
    return replace(loaded, document=replace(loaded.document, id=name))


def _claim(folder: Path, settings: Mapping[str, object]) -> None:
    """Stores a job's settings in a folder, or checks those that are stored there.

    Raises `InputError` if they differ, or the folder holds other files.
    """
    path = folder / SETTINGS_FILE
    if not path.is_file():
        if folder.is_dir() and leftovers.is_occupied(folder):
            problem = "holds files that this command did not write"
            problem += "; choose an empty or a new folder"
            raise InputError.at(folder, None, problem)
        files.write_json(path, dict(settings))
    elif files.read_json(path) != dict(settings):
        problem = "was written with other settings"
        problem += "; choose another folder, or remove it to begin again"
        raise InputError.at(folder, None, problem)


def _is_folder(place: Place) -> bool:
    """Returns whether an output is a folder of its own."""
    return place.target_format == "brat" and place.whole == place.target


def _mark(place: Place) -> Path:
    """Returns the file or the folder that exists only when an output is whole."""
    if _is_folder(place) and remote_path.is_remote(place.target):
        # Folders of a store appear file by file.
        return place.target / _WHOLE
    return place.whole


def _is_whole(place: Place) -> bool:
    """Returns whether an output exists and is not older than its input."""
    if not (mark := _mark(place)).exists():
        return False
    sources = [place.source]
    if place.format == "brat":
        sources += brat.annotations_of(place.source)
    newest = max((path.stat().st_mtime for path in sources if path.exists()), default=0)
    return mark.stat().st_mtime >= newest
