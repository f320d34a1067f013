# SPDX-License-Identifier: Apache-2.0
"""Which wheels TensorFlow was installed from, and whether they fit, without its import.

`tensorflow` and `tensorflow-tpu` unpack into one folder: together they are a mixture
that finds no TPU. And with a `libtpu` that does not fit, an import of `tensorflow-tpu`
ends the process.
"""

import csv
import dataclasses
import os
import re
import sys
from collections.abc import Mapping, Sequence
from importlib import metadata
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Final

from biobert_tf.common.errors import InputError

PINS: Final[Mapping[str, str]] = {
    "tensorflow": "2.20.0",
    "tensorflow-tpu": "2.20.0",
    "tensorflow-text": "2.20.1",
    "tf-keras": "2.20.1",
    "tf-models-official": "2.20.0",
    "tensorflow-serving-api": "2.20.0",
    "libtpu": "0.0.18",
}
"""The versions that are tested together, by name."""

_TPU: Final = "tensorflow-tpu"
_LIBTPU: Final = "libtpu"
_FOLDER: Final = "tensorflow"
# Of the 218 functions that tensorflow-tpu 2.20.0 looks up, others lack some.
_LIBTPU_RANGE: Final = ("0.0.14", "0.0.31")
_LIBTPU_VARIABLE: Final = "TPU_LIBRARY_PATH"
INSTALL_TPU: Final = (
    "pip uninstall -y tensorflow tensorflow-tpu && pip install -r requirements-tpu.txt"
)
"""Mends an installation for TPUs, in the folder of this repository."""


@dataclasses.dataclass(frozen=True)
class Owner:
    """A wheel that has unpacked files into the folder `tensorflow`.

    Attributes:
        name: Its name, with hyphens.
        version: Its version.
        num_files: How many files it has there.
        damaged: Those that are missing, or of another size than the wheel's.
    """

    name: str
    version: str
    num_files: int
    damaged: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Wheels:
    """What is installed.

    Attributes:
        versions: The versions of all packages, by name.
        owners: The wheels of TensorFlow; the one that should win is the first.
        folder: The folder that `import tensorflow` would take, if there is one.
    """

    versions: Mapping[str, str]
    owners: Sequence[Owner]
    folder: Path | None

    @property
    def is_for_tpu(self) -> bool:
        """Whether TensorFlow was installed for TPUs."""
        return any(each.name == _TPU for each in self.owners)


def installed(path: Sequence[str] | None = None) -> Wheels:
    """Returns what is installed in the folders `path`, by default `sys.path`."""
    path = list(sys.path if path is None else path)
    found: dict[str, metadata.Distribution] = {}
    for each in metadata.distributions(path=path):
        found.setdefault(_name(each), each)
    owners = [owner for name, each in found.items() if (owner := _owner(name, each))]
    # Who has installed a build for TPUs wants that; else the plain one.
    owners.sort(key=lambda owner: (owner.name != _TPU, owner.name != _FOLDER))
    spec = PathFinder.find_spec(_FOLDER, path)
    places = list(spec.submodule_search_locations or ()) if spec is not None else []
    return Wheels(
        {name: each.version for name, each in found.items()},
        owners,
        Path(places[0]) if places else None,
    )


def _name(wheel: metadata.Distribution) -> str:
    return re.sub(r"[-_.]+", "-", wheel.metadata["Name"] or "").lower()


def _owner(name: str, wheel: metadata.Distribution) -> Owner | None:
    """Compares the files of a wheel in the folder with its RECORD, by their size."""
    record = wheel.read_text("RECORD") or ""
    # Nearly all wheels have none there, and a RECORD takes long to parse.
    if f"\n{_FOLDER}/" not in "\n" + record:
        return None
    # Not `wheel.files`: since Python 3.12 it leaves out those that are missing.
    sizes = {
        name: int(size)
        for name, _, size in csv.reader(record.splitlines())
        if size and name.startswith(f"{_FOLDER}/")
    }
    damaged = tuple(
        name
        for name, size in sizes.items()
        if _size(f"{wheel.locate_file(name)}") != size
    )
    return Owner(name, wheel.version, len(sizes), damaged)


def _size(file: str) -> int | None:
    try:
        return os.stat(file).st_size
    except OSError:
        return None


def fault_of_folder(wheels: Wheels) -> str | None:
    """Returns what is wrong with TensorFlow's folder, and the line that mends it."""
    if not wheels.owners:
        if wheels.folder is not None:
            return None
        return f"TensorFlow is not installed; pip install {_pinned(_FOLDER)}"
    first, *others = wheels.owners
    names = " ".join(sorted(each.name for each in wheels.owners))
    mend = INSTALL_TPU
    if not wheels.is_for_tpu:
        mend = f"pip uninstall -y {names} && pip install {_pinned(_FOLDER)}"
    lost = f"{len(first.damaged)} of the {first.num_files} files of {first.name}"
    if others:
        both = " and ".join(each.name for each in wheels.owners)
        return f"{both} share one folder, {lost} are overwritten; {mend}"
    if first.damaged:
        return f"{lost} are missing or altered, such as {first.damaged[0]}; {mend}"
    return None


def faults_of_versions(wheels: Wheels) -> dict[str, str]:
    """Returns by package what is wrong with its version, and what to do.

    A version of another minor number than TensorFlow's does not work with it.
    """
    faults = {}
    for name, pin in PINS.items():
        version = wheels.versions.get(name)
        if name in (_FOLDER, _TPU):
            # One of both is there, or `fault_of_folder` says so.
            version = next((x.version for x in wheels.owners if x.name == name), pin)
        if name == _LIBTPU:
            fault = fault_of_libtpu(version) if wheels.is_for_tpu else None
        elif version is None:
            fault = f"not installed; pip install --no-deps {_pinned(name)}"
        elif version.split(".")[:2] != pin.split(".")[:2]:
            fault = f"{version} does not fit; pip install --no-deps {_pinned(name)}"
        else:
            fault = None
        if fault is not None:
            faults[name] = fault
    return faults


def fault_of_libtpu(version: str | None) -> str | None:
    """Returns why `tensorflow-tpu` cannot load a version of libtpu, and what to do."""
    if os.environ.get(_LIBTPU_VARIABLE):
        # Another one, whose version is not known.
        return None
    if version is None:
        return f"not installed; pip install {_pinned(_LIBTPU)}"
    least, most = _LIBTPU_RANGE
    if _numbers(least) <= _numbers(version)[:3] <= _numbers(most):
        return None
    return (
        f"{version} does not fit: tensorflow-tpu loads {least} to {most}, with others "
        f"its import ends the process; pip install {_pinned(_LIBTPU)}"
    )


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version))


def _pinned(name: str) -> str:
    return f"{name}=={PINS[name]}"


def require_loadable() -> None:
    """Refuses an import of TensorFlow that would end the process without a word.

    Raises:
        InputError: It is built for TPUs, and libtpu does not fit.
    """
    if _version(_TPU) is None:
        return
    fault = fault_of_libtpu(_version(_LIBTPU))
    if fault is not None:
        raise InputError(f"libtpu {fault}")


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
