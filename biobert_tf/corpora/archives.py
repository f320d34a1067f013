# SPDX-License-Identifier: Apache-2.0
"""Reads the XML files of a tar stream one by one; damage loses only some of them."""

import tarfile
import types
from collections.abc import Iterator
from typing import BinaryIO, Final, NamedTuple, Self, cast

from biobert_tf.common import streams

XML_NAMES: Final = (".xml", ".nxml")


class Member(NamedTuple):
    """A file of an archive; `stream` is None and `problem` set if it is damaged."""

    name: str
    stream: BinaryIO | None
    problem: str = ""


def members(stream: BinaryIO) -> Iterator[Member]:
    """Yields the XML files of an uncompressed archive, which is read once.

    Read each before asking for the next.

    Raises:
        UnreadableError: The rest cannot be read.
    """
    num_bad_blocks = 0
    # Reads at most what is available, so that an error does not lose good bytes.
    source = types.SimpleNamespace(read=getattr(stream, "read1", stream.read))

    class Header(tarfile.TarInfo):
        """Counts the blocks that should be headers but are not.

        Without this class `tarfile` mistakes a damaged header for the end of the
        archive, or with `ignore_zeros` silently looks for the next header.
        """

        @classmethod
        def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
            nonlocal num_bad_blocks
            try:
                return super().frombuf(buf, encoding, errors)
            except tarfile.HeaderError:
                num_bad_blocks += bool(buf.strip(b"\0"))
                raise

    with (
        streams.telling_damage(),
        tarfile.open(
            fileobj=cast(BinaryIO, source),
            mode="r|",
            tarinfo=Header,
            ignore_zeros=True,
        ) as archive,
    ):
        last = "the start"
        while True:
            info = archive.next()
            if num_bad_blocks:
                problem = f"damaged header: {num_bad_blocks} blocks of 512 bytes lost"
                yield Member(f"after {last}", None, problem)
                num_bad_blocks = 0
            if info is None:
                return
            # tarfile keeps every header it has read; the archive may have millions.
            archive.members.clear()  # type: ignore[attr-defined]
            last = info.name
            if info.isreg() and info.name.lower().endswith(XML_NAMES):
                yield Member(info.name, cast(BinaryIO, archive.extractfile(info)))
