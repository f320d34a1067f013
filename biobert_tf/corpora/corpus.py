# SPDX-License-Identifier: Apache-2.0
"""Converts corpus files to one text file in the original format: `biobert corpus`.

The file is UTF-8 with one sentence per line and a blank line between documents. Beside
`FILE`, `FILE.ids.tsv` lists the first line of every document, and `FILE.report.json`
what was read, dropped and skipped. Each file is written whole or not at all, the report
last.
"""

import collections
import dataclasses
import importlib.metadata
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO, Final

from biobert_tf.common import files, streams
from biobert_tf.common.clock import Meter
from biobert_tf.common.comma_lists import FileGlobs
from biobert_tf.common.errors import InputError
from biobert_tf.corpora import reading
from biobert_tf.corpora.document import Document, Skipped, sentences
from biobert_tf.corpora.settings import CorpusConfig

_LOG = logging.getLogger(__name__)
_MOST_SKIPS_LISTED: Final = 1000
_MOST_SKIPS_LOGGED: Final = 20
_MOST_REASONS: Final = 100
_OTHER_REASONS: Final = "other reasons"
_MOST_REASONS_SHOWN: Final = 10


@dataclasses.dataclass(kw_only=True)
class CorpusReport:
    """What was read from a corpus, written, dropped and skipped.

    Attributes:
        splitter: Name and version of the library that finds the sentences.
        num_sentences: The number of lines written, without blank ones.
        num_words: The number of words of the sentences, separated by white space.
        num_duplicates: The number of records that a later one replaces or deletes.
        num_skipped: The number of records that could not be used.
        skipped_by_reason: The number of skipped records by reason, largest first.
        skipped: The first thousand skipped records.
        documents_by_file: The number of documents written from each file, in order.
    """

    splitter: str
    num_files: int = 0
    num_documents: int = 0
    num_sentences: int = 0
    num_words: int = 0
    num_characters: int = 0
    num_duplicates: int = 0
    num_skipped: int = 0
    skipped_by_reason: dict[str, int] = dataclasses.field(default_factory=dict)
    skipped: list[dict[str, str]] = dataclasses.field(default_factory=list)
    documents_by_file: dict[str, int] = dataclasses.field(default_factory=dict)

    def summary(self) -> str:
        """Returns a few lines for people to read."""
        lines = [
            f"{name.removeprefix('num_'):12}{count:15,}"
            + ("  dropped" if name == "num_duplicates" else "")
            for name, count in vars(self).items()
            if name.startswith("num_")
        ]
        reasons = list(self.skipped_by_reason.items())
        for reason, count in reasons[:_MOST_REASONS_SHOWN]:
            lines.append(f"  {count:,} x {reason}")
        if len(reasons) > _MOST_REASONS_SHOWN:
            lines.append(f"  and {len(reasons) - _MOST_REASONS_SHOWN} more reasons")
        return "\n".join(lines)


def write_corpus(
    patterns: FileGlobs, output: Path, config: CorpusConfig
) -> CorpusReport:
    """Writes the sentences of corpus files, and returns the report that it stores.

    The output is gzip if its name ends in `.gz`. Memory does not grow with the corpus,
    except for a few bytes for each XML record (`reading.find_current`) and each file.

    Raises:
        InputError: A file cannot be read, or is damaged and the configuration is
            strict; no document was found; the output is an input or cannot be written.
    """
    paths = patterns.files()
    if output.exists() and any(map(output.samefile, paths)):
        raise InputError.at(output, None, "is one of the inputs; choose another name")
    if output == streams.STANDARD:
        problem = "two files are written beside the corpus; give the name of a file"
        raise InputError.at(output, None, problem)
    options = reading.ReadOptions(config, reading.find_current(paths, config))
    report_path = output.with_name(f"{output.name}.report.json")
    with (
        streams.writing(output) as text,
        streams.writing(output.with_name(f"{output.name}.ids.tsv")) as ids,
    ):
        report = _Writer(text, ids, paths).write(options)
        # A report means that the files beside it are whole and belong together.
        report_path.unlink(missing_ok=True)
    files.write_json(report_path, dataclasses.asdict(report))
    return report


class _Writer:
    """Writes documents, counts them, and logs the progress."""

    def __init__(self, text: BinaryIO, ids: BinaryIO, paths: Sequence[Path]) -> None:
        self._text = text
        self._ids = ids
        self._paths = paths
        self._line = 1
        self._num_logged = 0
        version = importlib.metadata.version("sentencex")
        self._report = CorpusReport(splitter=f"sentencex {version}")

    def write(self, options: reading.ReadOptions) -> CorpusReport:
        """Writes the documents of all files and returns the report."""
        report = self._report
        self._ids.write(b"document\tid\tfirst_line\tsentences\n")
        sizes = [path.stat().st_size for path in self._paths]
        with Meter("reading", "", sum(sizes), is_bytes=True) as meter:
            for path in self._paths:
                before = report.num_documents
                begin = sum(sizes[: report.num_files])
                with streams.open_file(path) as stream:
                    for document in reading.read(
                        stream, str(path), options, self._skip, self._drop
                    ):
                        self._add(document)
                        note = f"{report.num_documents:,} documents"
                        meter.to(begin + stream.tell(), note)
                report.num_files += 1
                report.documents_by_file[str(path)] = report.num_documents - before
        if not report.num_documents:
            raise reading.no_documents(self._paths)
        by_reason = collections.Counter(report.skipped_by_reason)
        report.skipped_by_reason = dict(by_reason.most_common())
        return report

    def _add(self, document: Document) -> None:
        lines = sentences(document)
        text = "\n".join(lines)
        assert len(text.splitlines()) == len(lines), "a line break in a sentence"
        report = self._report
        report.num_documents += 1
        report.num_sentences += len(lines)
        report.num_words += len(text.split())
        report.num_characters += len(text) - len(lines) + 1
        if self._line > 1:
            self._text.write(b"\n")
            self._line += 1
        self._text.write(f"{text}\n".encode())
        id_ = " ".join(document.id.split())
        row = f"{report.num_documents}\t{id_}\t{self._line}\t{len(lines)}\n"
        self._ids.write(row.encode())
        self._line += len(lines)

    def _drop(self, id_: str) -> None:
        del id_
        self._report.num_duplicates += 1

    def _skip(self, skipped: Skipped) -> None:
        report = self._report
        report.num_skipped += 1
        if skipped.is_damage and self._num_logged < _MOST_SKIPS_LOGGED:
            self._num_logged += 1
            _LOG.warning("%s; skipped", skipped)
        if len(report.skipped) < _MOST_SKIPS_LISTED:
            listed = ("path", "position", "reason")
            report.skipped.append({name: getattr(skipped, name) for name in listed})
        by_reason = report.skipped_by_reason
        # Some reasons quote the file, so their number must be bounded.
        is_known = skipped.reason in by_reason or len(by_reason) < _MOST_REASONS
        reason = skipped.reason if is_known else _OTHER_REASONS
        by_reason[reason] = by_reason.get(reason, 0) + 1
