# SPDX-License-Identifier: Apache-2.0
"""Compares files with the checksums that are known of them."""

import hashlib
from pathlib import Path
from typing import Final

from biobert_tf.common import files

_BLOCK: Final = 1 << 20


def of(path: Path, kind: str = "sha256") -> str:
    """Returns the checksum of a file as `sources.toml` writes it.

    Args:
        path: The file.
        kind: `sha256`; or `git`, the name that git gives to a file of this content.
            That is the SHA-1 of a short head and the content, and all that is known of
            large files in a repository of which only the list was read.

    Raises:
        InputError: The file cannot be read.
    """
    with files.explained_reading(path), path.open("rb") as stream:
        digest = hashlib.sha256()
        if kind == "git":
            digest = hashlib.sha1(usedforsecurity=False)
            digest.update(b"blob %d\0" % path.stat().st_size)
        while block := stream.read(_BLOCK):
            digest.update(block)
    return f"{kind}:{digest.hexdigest()}"


def agrees(path: Path, known: str) -> bool:
    """Returns whether a file has a checksum; every file has the unknown one, "".

    Raises:
        InputError: The file cannot be read.
    """
    return not known or of(path, known.partition(":")[0]) == known
