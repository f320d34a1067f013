# SPDX-License-Identifier: Apache-2.0
"""The checks of `biobert doctor`. Nothing here imports TensorFlow: it may be broken."""

import dataclasses
import platform
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Literal

from biobert_tf.common import files, room, tpu, wheels
from biobert_tf.common.version import __version__
from biobert_tf.doctor import probe
from biobert_tf.doctor.settings import DoctorConfig
from biobert_tf.training import precision

_NVIDIA_DRIVER: Final = Path("/proc/driver/nvidia/version")
_CUDA: Final = f"pip install 'tensorflow[and-cuda]=={wheels.PINS['tensorflow']}'"
# A training of BERT-Base keeps five states of 1.3 GB and a model. Its weights, their
# gradients and moments take 2.2 GB of memory.
_LEAST_DISK: Final = 8e9
_LEAST_MEMORY: Final = 4e9
_SLOW_IMPORT: Final = "outside Google's cloud set TPU_SKIP_MDS_QUERY=1"


@dataclasses.dataclass(frozen=True)
class Check:
    """A thing that was looked at.

    Attributes:
        status: An `error` keeps runs from working, a `warning` may.
        name: The thing.
        found: What was found, and what to do if it is not well.
    """

    status: Literal["ok", "warning", "error"]
    name: str
    found: str


def report(config: DoctorConfig) -> bool:
    """Prints a line for every check as it is made; returns whether none is an error."""
    made = []
    for check in examine(config):
        print(f"{check.status:8}{check.name}: {check.found}", flush=True)
        made.append(check)
    if config.json is not None:
        files.write_json(config.json, [dataclasses.asdict(each) for each in made])
    return not any(each.status == "error" for each in made)


def examine(config: DoctorConfig) -> Iterator[Check]:
    """Yields all checks."""
    python = f"Python {platform.python_version()} in {sys.prefix}"
    yield Check("ok", "biobert_tf", f"{__version__}, {python}")
    found = wheels.installed()
    yield from of_wheels(found)
    yield _of_tpu(found)
    yield from _of_machine(config.output_dir)
    if config.output_dir:
        for each in probe.of_folder(config):
            yield Check("ok" if each.is_well else "error", each.part, each.text)
    yield from _of_devices(found, config)


def of_wheels(found: wheels.Wheels) -> Iterator[Check]:
    """Yields the checks of what is installed."""
    fault = wheels.fault_of_folder(found)
    if fault is not None:
        yield Check("error", "wheels", fault)
    elif not found.owners:
        text = f"no wheel has unpacked {found.folder}; if it is not yours, remove it"
        yield Check("warning", "wheels", text)
    else:
        (owner,) = found.owners
        text = f"all {owner.num_files} files of {owner.name} {owner.version} in place"
        yield Check("ok", "wheels", text)
    faults = wheels.faults_of_versions(found)
    fitting = [
        f"{name} {found.versions[name]}"
        for name in wheels.PINS
        if name in found.versions and name not in faults
    ]
    if fitting:
        yield Check("ok", "versions", ", ".join(fitting))
    for name, text in faults.items():
        yield Check("error", name, text)
    nvidia = sum(name.startswith("nvidia-") for name in found.versions)
    text = f"{nvidia} wheels of NVIDIA's libraries"
    if not _NVIDIA_DRIVER.exists():
        yield Check("ok", "GPU libraries", f"{text}, no driver")
    elif nvidia or found.is_for_tpu:
        yield Check("ok", "GPU libraries", f"{text}, and a driver")
    else:
        text = f"there is a driver, but no library; {_CUDA}"
        yield Check("warning", "GPU libraries", text)


def _of_tpu(found: wheels.Wheels) -> Check:
    chips, held = tpu.chips(), tpu.held()
    text = f"{len(chips)} device files" if chips else "no device files on this machine"
    if held is not None:
        return Check("warning", "TPU files", f"{text}, {held}")
    if chips and not found.is_for_tpu:
        text += f", but TensorFlow is not built for TPUs; {wheels.INSTALL_TPU}"
        return Check("warning", "TPU files", text)
    return Check("ok", "TPU files", text)


def _of_machine(output_dir: str) -> Iterator[Check]:
    flags = ", ".join(sorted(precision.bfloat16_of_cpu()))
    text = f"bfloat16 by {flags}" if flags else "no bfloat16: it would be slow here"
    yield Check("ok", "CPU", text)
    memory = room.host_memory()
    if memory is not None:
        text = f"{room.size(memory)} can be had"
        lack = "; BERT-Base needs 4 GB, lower --train_batch_size"
        enough = memory >= _LEAST_MEMORY
        yield Check("ok" if enough else "warning", "memory", text + lack * (not enough))
    place = Path.cwd()
    if "://" not in (local := output_dir.removeprefix("file://")):
        place /= Path(local).expanduser()
    disk = room.free_bytes(place)
    text = f"{room.size(disk)} are free at {place}"
    enough = disk >= _LEAST_DISK
    lack = "; a training of BERT-Base keeps 7 GB, lower --keep_checkpoint_max"
    yield Check("ok" if enough else "warning", "disk", text + lack * (not enough))


def _of_devices(found: wheels.Wheels, config: DoctorConfig) -> Iterator[Check]:
    with_tpu = config.use_tpu or found.is_for_tpu
    gpus = 0
    for part, is_well, text in probe.of_devices(config.timeout_seconds, with_tpu):
        gpus += part.startswith("GPU:")
        if is_well:
            yield Check("ok", part, text)
            continue
        is_needed = True
        if probe.SILENT in text and found.is_for_tpu:
            text += f"; {_SLOW_IMPORT}"
        elif part == probe.TPU:
            text, is_needed = tpu.reason(text, found), config.use_tpu
        yield Check("error" if is_needed else "warning", part, text)
    if _NVIDIA_DRIVER.exists() and not gpus:
        yield Check("error", "GPU", f"TensorFlow sees none; {_CUDA}")
