# SPDX-License-Identifier: Apache-2.0
"""Fetches a file from one of several addresses, and resumes what was cut off.

The package pooch checks the SHA-256 and gives a whole file its name at one instant. It
has no way to resume, so `_Resuming` transfers the bytes for it. They are in a file
`NAME.part` until they are all there; `NAME.part.json` says where they are from.
"""

import dataclasses
import json
import logging
import re
import time
import urllib.parse
from pathlib import Path
from typing import Any, Final

from biobert_tf.common import durable, files, remote_path, room
from biobert_tf.common.clock import Meter
from biobert_tf.common.errors import InputError
from biobert_tf.published import checksums

_LOG = logging.getLogger(__name__)

_BLOCK: Final = 1 << 16
_RANGE: Final = re.compile(r"bytes (\d+)-\d+/(\d+)")
_LENGTH: Final = re.compile(r"bytes \*/(\d+)")
# Other answers from 400 on stay the same however often one asks.
_PASSING: Final = (408, 425, 429, 500, 502, 503, 504)
_INSTALL: Final = "pip install '.[download]'"


@dataclasses.dataclass(frozen=True)
class Remote:
    """A file that can be fetched.

    Attributes:
        name: Where it is put below the folder of downloads, with `/` between parts.
        addresses: Its URLs, the best first.
        checksum: See `checksums.of`; "" if none is known.
    """

    name: str
    addresses: tuple[str, ...]
    checksum: str = ""


@dataclasses.dataclass(frozen=True)
class Patience:
    """How long to try.

    Attributes:
        tries: The number of transfers in a row that bring nothing.
        timeout_seconds: How long a server may be silent.
        wait_seconds: The time before the second of these transfers; it doubles.
    """

    tries: int = 5
    timeout_seconds: float = 60.0
    wait_seconds: float = 1.0


class UnreachableError(InputError):
    """No address has given the file; the message says what each has answered."""


class Fetcher:
    """Fetches files into a folder, and remembers which servers do not answer."""

    def __init__(self, folder: Path, patience: Patience) -> None:
        """Takes the folder of downloads.

        Raises:
            InputError: The package pooch is not installed, or the folder is in a store.
        """
        if remote_path.is_remote(folder):
            problem = "want a local folder; copy what is fetched to the store"
            raise InputError.at(folder, None, problem)
        self._retrieve = _pooch().retrieve
        self._folder, self._patience = folder, patience
        self._silent: set[str] = set()

    def path(self, remote: Remote) -> Path:
        """Returns where a file is put."""
        return self._folder / remote.name

    def fetch(self, remote: Remote) -> Path:
        """Returns the local path of a file, after fetching it unless it is there.

        A file that is there is kept if it has the checksum, or if none is known. An
        address that fails, or gives a file with another checksum, is followed by the
        next one.

        Raises:
            InputError: The folder cannot be written.
            UnreachableError: No address has given the file.
        """
        path = self.path(remote)
        if path.is_file():
            if checksums.agrees(path, remote.checksum):
                return path
            _LOG.warning("%s has another checksum; it is fetched again", path)
        with files.explained_writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
        failures = []
        for address in remote.addresses:
            try:
                self._fetch_from(address, remote, path)
                return path
            except _FailedError as error:
                failures.append(f"{address}: {error}")
                _LOG.info("not from there: %s", error)
        problem = f"{remote.name} could not be fetched: {'; '.join(failures)}"
        raise UnreachableError(problem)

    def _fetch_from(self, address: str, remote: Remote, path: Path) -> None:
        """Fetches a file from one address.

        Raises:
            _FailedError: The address does not give the file, or gives another one.
        """
        server = urllib.parse.urlsplit(address).netloc
        if server in self._silent:
            raise _FailedError("this server has not answered before")
        _LOG.info("fetching %s", address)
        transfer = _Resuming(path, bool(remote.checksum), self._patience)
        try:
            self._checked(transfer, address, remote, path)
        except _WrongFileError:
            # Parts were put together that do not belong together: once more.
            if not transfer.has_resumed:
                raise
            self._checked(transfer, address, remote, path)
        except _SilentError:
            self._silent.add(server)
            raise

    def _checked(
        self, transfer: "_Resuming", address: str, remote: Remote, path: Path
    ) -> None:
        """Lets pooch fetch a file and check it, and explains what goes wrong."""
        is_sha256 = remote.checksum.startswith("sha256:")
        try:
            self._retrieve(
                address,
                known_hash=remote.checksum if is_sha256 else None,
                fname=path.name,
                path=path.parent,
                downloader=transfer,
            )
        except InputError:
            raise
        except ValueError:
            raise _WrongFileError("the file has another checksum") from None
        except OSError as error:
            if room.disk_is_full(error):
                raise room.full_disk(path, transfer.total) from None
            raise InputError.at(path, None, f"cannot be written: {error}") from None
        if not is_sha256 and not checksums.agrees(path, remote.checksum):
            path.unlink()
            raise _WrongFileError("the file has another checksum")


class _FailedError(Exception):
    """An address does not give the file; the message says why."""


class _SilentError(_FailedError):
    """There is no connection to a server."""


class _WrongFileError(_FailedError):
    """An address has given another file."""


class _CutError(Exception):
    """A transfer has ended early, and may be resumed.

    `is_silent` says that there was no connection at all.
    """

    def __init__(self, message: str, *, is_silent: bool = False) -> None:
        super().__init__(message)
        self.is_silent = is_silent


class _Resuming:
    """Transfers a file over HTTP for pooch, from where an earlier transfer has ended.

    A server that does not know ranges gives the whole file again. Parts of a file whose
    checksum is not known are only put together if the server says that its file is
    still the same.
    """

    def __init__(self, path: Path, is_checked: bool, patience: Patience) -> None:
        """Takes the final path, and whether the whole file will be checked."""
        self._part = path.with_name(f"{path.name}.part")
        self._record = path.with_name(f"{path.name}.part.json")
        self._name, self._is_checked, self._patience = path.name, is_checked, patience
        self.has_resumed = False
        self.total: int | None = None

    def __call__(self, url: str, output_file: str, _pooch: object) -> None:
        """Puts the content of a URL into a file, after as many tries as it takes.

        Raises:
            _FailedError: The server cannot be reached, does not have the file, or the
                transfer was cut off too often.
        """
        failures = 0
        while True:
            before = self._size()
            try:
                self._transfer(url)
                break
            except _CutError as error:
                # Whoever brings something, however slowly, is not given up.
                failures = 0 if self._size() > before else failures + 1
                if failures >= self._patience.tries:
                    kind = _SilentError if error.is_silent else _FailedError
                    raise kind(str(error)) from None
                _LOG.info("%s; trying again", error)
                wait = self._patience.wait_seconds
                time.sleep(min(60.0, wait * 2 ** max(0, failures - 1)))
        durable.replace(self._part, remote_path.parse(output_file))
        self._record.unlink(missing_ok=True)

    def _size(self) -> int:
        return self._part.stat().st_size if self._part.exists() else 0

    def _transfer(self, url: str) -> None:
        """Asks for the rest of the file once.

        Raises:
            _CutError: It did not all come; another try may bring the rest.
            _FailedError: Another try would bring nothing.
        """
        import requests
        import urllib3

        # A compressed answer would be of another length than the file.
        headers = {"Accept-Encoding": "identity", **self._range(url)}
        is_answered = False
        try:
            with requests.get(
                url,
                headers=headers,
                stream=True,
                timeout=self._patience.timeout_seconds,
            ) as answer:
                is_answered = True
                self._take(url, answer)
        except (requests.Timeout, urllib3.exceptions.TimeoutError):
            seconds = self._patience.timeout_seconds
            problem = f"no answer for {seconds:g} seconds"
            raise _CutError(problem, is_silent=not is_answered) from None
        except (
            requests.ConnectionError,
            urllib3.exceptions.HTTPError,
        ) as error:
            what = "the transfer was cut off" if is_answered else "no connection"
            problem = f"{what}: {_reason(error)}"
            raise _CutError(problem, is_silent=not is_answered) from None
        except requests.RequestException as error:
            raise _FailedError(_reason(error)) from None
        if self.total is not None and self._size() < self.total:
            raise _CutError(
                f"the transfer was cut off after {self._size()} of {self.total} bytes"
            )

    def _range(self, url: str) -> dict[str, str]:
        """Returns the headers that ask for what is still missing."""
        if not (have := self._size()):
            return {}
        try:
            record = json.loads(self._record.read_text("utf-8"))
        except (OSError, ValueError):
            record = {}
        same = record.get("url") == url and record.get("version")
        if same:
            return {"Range": f"bytes={have}-", "If-Range": record["version"]}
        # The checksum tells whether the parts belong together.
        return {"Range": f"bytes={have}-"} if self._is_checked else {}

    def _take(self, url: str, answer: Any) -> None:
        """Writes what a server sends behind what is there, or instead of it."""
        have, status = self._size(), answer.status_code
        if status in _PASSING:
            raise _CutError(f"the server says {status} {answer.reason}")
        if status == 416:
            # What is there is whole, or it is not the beginning of this file.
            length = _LENGTH.fullmatch(answer.headers.get("Content-Range", ""))
            if length is None or int(length[1]) != have:
                self._part.unlink(missing_ok=True)
                raise _CutError("the server has a shorter file; starting anew")
            self.total, self.has_resumed = have, True
            return
        if status not in (200, 206):
            raise _FailedError(f"the server says {status} {answer.reason}")
        start = _RANGE.fullmatch(answer.headers.get("Content-Range", ""))
        if status == 206 and (start is None or int(start[1]) != have):
            self._part.unlink(missing_ok=True)
            raise _CutError("the server sent another part; starting anew")
        self.has_resumed |= status == 206
        have = have if status == 206 else 0
        if answer.headers.get("Content-Encoding", "identity") != "identity":
            raise _FailedError("the server sends the file only compressed")
        length = answer.headers.get("Content-Length")
        self.total = have + int(length) if length else None
        version = answer.headers.get("ETag") or answer.headers.get("Last-Modified")
        # A weak version says only that the file means the same.
        strong = None if (version or "").startswith("W/") else version
        self._record.write_text(json.dumps({"url": url, "version": strong}), "utf-8")
        meter = Meter(self._name, "bytes", self.total, done=have, is_bytes=True)
        with self._part.open("ab" if have else "wb") as stream, meter:
            # Unlike `iter_content`, this gives the bytes that came before the cut.
            while block := answer.raw.read1(_BLOCK):
                stream.write(block)
                meter.add(len(block))


def _reason(error: Exception) -> str:
    """Returns the innermost reason of an error of requests, in one line."""
    text = " ".join(str(error).split())
    # urllib3 gives the chain of its errors as Python prints them.
    inner = re.findall(r"(?:Failed to|Read timed|Connection|\[Errno)[^\"()]*", text)
    return (inner[-1] if inner else text)[:200].strip(" '") or type(error).__name__


def _pooch() -> Any:
    """Returns the package pooch, which is optional."""
    try:
        import pooch
    except ImportError:
        raise InputError(f"downloads need the package pooch: {_INSTALL}") from None
    # It logs what this module says in other words.
    pooch.get_logger().setLevel(logging.WARNING)
    return pooch
