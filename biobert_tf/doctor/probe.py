# SPDX-License-Identifier: Apache-2.0
"""What `biobert doctor` tries in a process of its own, which may crash or hang.

That process prints a JSON list per line: `[part]` when it begins with a part, and
`[part, ok, text]` when it is through with it.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from biobert_tf.common import files, remote_path
from biobert_tf.common.errors import InputError
from biobert_tf.common.tpu import useful_line
from biobert_tf.doctor.settings import DoctorConfig

TENSORFLOW: Final = "TensorFlow"
TPU: Final = "TPU"
OUTPUT: Final = "output_dir"
_DEVICES: Final = "devices"
SILENT: Final = "no answer within"
_COMMAND: Final = (sys.executable, "-m", "biobert_tf.doctor.probe")
_SIZE: Final = 128


class Found(NamedTuple):
    """What a part has shown: whether it is well, and a text for the user."""

    part: str
    is_well: bool
    text: str


# --- in this process ------------------------------------------------------------------


def of_folder(config: DoctorConfig) -> list[Found]:
    """Tries `--output_dir`."""
    return _run([*_COMMAND, OUTPUT, config.output_dir], config.timeout_seconds)[0]


def of_devices(
    seconds: float, with_tpu: bool, command: Sequence[str] = _COMMAND
) -> Iterator[Found]:
    """Tries one operation on each device; a crash or hang costs that device alone.

    Args:
        seconds: The time of a process.
        with_tpu: Whether to look for a TPU.
        command: The program that tries them, see the top of this module.
    """
    done: list[str] = [] if with_tpu else [TPU]
    is_over = False
    while not is_over:
        found, is_over = _run([*command, _DEVICES, *done], seconds)
        new = [each for each in found if each.part not in done]
        yield from new
        done += [each.part for each in new]
        # If it fails before a device, another try is no use.
        is_over |= not new or new[-1].part in (TENSORFLOW, _DEVICES)


def _run(command: Sequence[str], seconds: float) -> tuple[list[Found], bool]:
    """Runs a process; returns what it found, and whether it came to its end."""
    with tempfile.TemporaryFile() as errors:
        try:
            done = subprocess.run(
                command, stdout=subprocess.PIPE, stderr=errors, timeout=seconds
            )
            printed, status = done.stdout, done.returncode
        except subprocess.TimeoutExpired as error:
            printed, status = error.stdout or b"", None
        errors.seek(0)
        lines = errors.read().decode("utf-8", "replace").splitlines()
    begun, found = TENSORFLOW, []
    for line in printed.decode("utf-8", "replace").splitlines():
        # A library may print too.
        with contextlib.suppress(ValueError, TypeError):
            begun, *more = json.loads(line)
            found += [Found(begun, *more)] if more else []
    if status == 0 or any(each.part == begun for each in found):
        # What goes wrong after all is done, at the end of a process, harms nobody.
        return found, True
    if status is None:
        text = f"{SILENT} {seconds:.0f} s"
    elif status < 0:
        text = f"ended the process ({signal.Signals(-status).name})"
    else:
        text = f"failed: {next((x for x in reversed(lines) if x.strip()), 'no reason')}"
    return [*found, Found(begun, False, text)], False


# --- in the other process -------------------------------------------------------------


def main(argv: Sequence[str]) -> None:
    """Tries what the first argument names; see `of_folder` and `of_devices`."""
    _, what, *rest = argv
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    if what == OUTPUT:
        _say(OUTPUT)
        _say(*_folder(*rest))
    else:
        _devices(rest)


def _say(*values: object) -> None:
    print(json.dumps(values), flush=True)


def _folder(name: str) -> Found:
    """Writes, reads and renames a file, as a run does, and leaves nothing behind."""
    try:
        folder = remote_path.parse(os.path.expanduser(name))
        made = [each for each in (folder, *folder.parents) if not each.exists()]
        path, renamed = (folder / f".doctor-{os.getpid()}-{i}" for i in (1, 2))
        try:
            files.write_text(path, name)
            path.replace(renamed)
            if files.read_text(renamed) != name:
                raise InputError.at(name, None, "does not hold what was written")
        finally:
            # What keeps a file from being written keeps it from being removed.
            for clean in (path.unlink, renamed.unlink, *(each.rmdir for each in made)):
                with contextlib.suppress(OSError):
                    clean()
    except OSError as error:
        return Found(OUTPUT, False, f"{error.filename or name}: {error.strerror}")
    except InputError as error:
        return Found(OUTPUT, False, str(error))
    return Found(OUTPUT, True, f"files in {name} can be written, read and renamed")


def _devices(done: Sequence[str]) -> None:
    _say(TENSORFLOW)
    import tensorflow as tf

    _say(TENSORFLOW, True, f"{tf.__version__} can be imported")
    _say(_DEVICES)

    def total() -> tf.Tensor:
        ones = tf.ones([_SIZE, _SIZE])
        return tf.reduce_sum(tf.matmul(ones, ones))

    def tpu_total() -> list[float]:
        cluster = tf.distribute.cluster_resolver.TPUClusterResolver("local")
        tf.tpu.experimental.initialize_tpu_system(cluster)
        strategy = tf.distribute.TPUStrategy(cluster)
        run = tf.function(lambda: strategy.run(total), autograph=False)
        return [float(each) for each in strategy.experimental_local_results(run())]

    def local_total(name: str) -> list[float]:
        with tf.device(name):
            return [float(total())]

    kinds = ("CPU", "GPU")
    devices = [x.name for kind in kinds for x in tf.config.list_logical_devices(kind)]
    for name in [*devices, TPU]:
        part = name.removeprefix("/device:")
        if part in done:
            continue
        _say(part)
        try:
            sums = tpu_total() if part == TPU else local_total(name)
        # Whatever it is, it is what the user wants to know.
        except Exception as error:
            _say(part, False, useful_line(str(error)))
            continue
        is_right = all(each == _SIZE**3 for each in sums)
        cores = f" on {len(sums)} cores" if part == TPU else ""
        _say(part, is_right, f"multiplies {'right' if is_right else 'wrong'}{cores}")


if __name__ == "__main__":
    main(sys.argv)
