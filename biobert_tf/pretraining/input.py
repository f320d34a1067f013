# SPDX-License-Identifier: Apache-2.0
"""Finds the TFRecord files of a pre-training and the numbers of their records."""

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from biobert_tf.common import files
from biobert_tf.common.comma_lists import FileGlobs, matching
from biobert_tf.common.errors import InputError
from biobert_tf.pretraining.data import manifest
from biobert_tf.pretraining.record_streams import Shard
from biobert_tf.training import records

_LOG = logging.getLogger(__name__)

_INPUT_FILE: Final = "input_files.json"


def expand(patterns: FileGlobs) -> list[Path]:
    """Returns the TFRecord files that globs match, once each.

    The files are in the order of the globs; those of one glob are sorted by name.

    Raises:
        InputError: A glob matches no file.
    """
    found: dict[Path, None] = {}
    for pattern in patterns.parts:
        matches = [
            path
            for path in matching(pattern)
            if not path.name.endswith(manifest.SUFFIX)
        ]
        if not matches:
            raise InputError(f"--input_file={pattern}: no TFRecord file matches")
        found.update(dict.fromkeys(matches))
    return list(found)


def check_manifest(
    paths: Sequence[Path], vocab_file: Path, do_lower_case: bool
) -> None:
    """Checks that the records were made with this vocabulary, if a manifest says so.

    Raises:
        InputError: The records were made with another vocabulary or another case.
    """
    found = manifest.find_manifest(paths)
    if found is None:
        return
    problem, lower = "", found.settings["do_lower_case"]
    if found.settings["vocab_sha256"] != manifest.sha256_of(vocab_file):
        problem = (
            f"was made with another vocabulary than {vocab_file}; give "
            "--vocab_file and --init_checkpoint that belong to it"
        )
    elif lower != do_lower_case:
        problem = (
            f"was made with --do_lower_case={str(lower).lower()}; give the same flag"
        )
    if problem:
        raise InputError.at(paths[0], None, problem)


def shards(paths: Sequence[Path]) -> Iterator[Shard]:
    """Yields files with the numbers of their records, from a manifest or counted.

    Raises:
        InputError: A file is missing, damaged, or of another size than its manifest
            says.
    """
    known: dict[Path, manifest.FileEntry] = {}
    for path in paths:
        if path not in known and (found := manifest.find_manifest([path])):
            known.update({path.parent / entry.file: entry for entry in found.files})
        if path not in known:
            _LOG.info("%s: no manifest; counting its records", path)
            yield Shard(path, records.count([path]))
            continue
        entry, size = known[path], path.stat().st_size
        if size != entry.num_bytes:
            raise InputError.at(
                path,
                None,
                f"has {size} bytes and its manifest says {entry.num_bytes}; convert "
                "again",
            )
        yield Shard(path, entry.num_records)


def training_shards(
    paths: Sequence[Path], output_dir: Path, step: int, is_chief: bool
) -> list[Shard]:
    """Returns the files of a training with the numbers of their records.

    The numbers are stored in the output directory, by the chief: a training that
    resumes, at a `step` above 0, must read the same records, and need not count them.

    Raises:
        InputError: The training began with other files, or a file is damaged.
    """
    path = output_dir / _INPUT_FILE
    sizes = [{"name": file.name, "size": file.stat().st_size} for file in paths]
    if step and path.exists():
        entries = files.read_json(path)["files"]
        counts = [entry.pop("records") for entry in entries]
        if entries != sizes:
            raise InputError.at(
                path,
                None,
                "names other records than --input_file; resume a training with the "
                "files it began with, in the same order",
            )
        return [*map(Shard, paths, counts)]
    counted = list(shards(paths))
    if is_chief:
        rows = zip(sizes, counted, strict=True)
        entries = [entry | {"records": shard.num_records} for entry, shard in rows]
        files.write_json(path, {"files": entries})
    return counted


def first_records(paths: Sequence[Path], most: int) -> tuple[Sequence[Path], int]:
    """Returns the first files that hold `most` records, and the number to read.

    If `most` is 0, they are all files and all records.

    Raises:
        InputError: A file is missing or damaged.
    """
    num_records = 0
    for num_files, shard in enumerate(shards(paths), 1):
        num_records += shard.num_records
        if most and num_records >= most:
            return paths[:num_files], most
    return paths, num_records
