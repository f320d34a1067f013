# SPDX-License-Identifier: Apache-2.0
"""The states that a training saves: how much disk they take, and never half of one.

A state is `ckpt-40.index`, `ckpt-40.data-*` and, written when both are on the disk, its
mark `ckpt-40.json`; see `useful_time`.
"""

import dataclasses
import errno
import functools
import logging
import os
import re
from collections.abc import Collection
from pathlib import Path
from typing import Any, Final

import tensorflow as tf

from biobert_tf.checkpoints import prefixes, tf1
from biobert_tf.common import durable, files, remote_path, room
from biobert_tf.common.errors import InputError
from biobert_tf.model import heads
from biobert_tf.model.layers import DropoutBits
from biobert_tf.training import useful_time

_LOG = logging.getLogger(__name__)

_NAME: Final = re.compile(r"ckpt-(?P<step>[0-9]+)(?P<again>\.again)?")
_BITS = "dropout_bits"
_EARLIER_BITS: Final = 32
_OTHER: Final = re.compile("|".join(map(os.strerror, (errno.EACCES, errno.EMFILE))))


def drawing(path: Path | None) -> tuple[DropoutBits, dict[str, tf.Variable]]:
    """Returns how a training draws its dropout, and what says so in its states.

    A training that has no state draws 8 bits. One that goes on from the state `path`
    draws as it began: 32 bits, if an earlier version began it and nothing says so.
    """
    if (said := _said_bits(path)) is None:
        return _EARLIER_BITS, {}
    bits: DropoutBits = 32 if said == 32 else 8
    return bits, {_BITS: tf.Variable(bits, trainable=False)}


def is_earlier(path: Path | None) -> bool:
    """Returns whether the state `path` is an earlier version's, which never packed."""
    return _said_bits(path) is None


def _said_bits(path: Path | None) -> int | None:
    """Returns the bits of a draw in a state, 8 without a state; None: it says none."""
    if path is None:
        return 8
    # Not `list_variables`, which takes a prefix in `ram://` for a folder.
    reader = tf.compat.v1.train.NewCheckpointReader(str(path))
    names = reader.get_variable_to_shape_map()
    found = [name for name in names if name.split("/")[0] == _BITS]
    return int(reader.get_tensor(found[0])) if found else None


@dataclasses.dataclass(frozen=True, order=True)
class _Name:
    """The name of a state: its step, and whether that is saved the second time.

    Two files cannot be replaced at one instant. So a step that is saved again, with an
    evaluation, gets another name.
    """

    step: int
    is_again: bool

    @classmethod
    def parse(cls, name: str) -> "_Name | None":
        """Returns what a prefix's name means; None: it is no state's."""
        found = _NAME.fullmatch(name)
        return cls(int(found["step"]), bool(found["again"])) if found else None

    def __str__(self) -> str:
        return f"ckpt-{self.step}{'.again' if self.is_again else ''}"


def step_of(prefix: Path) -> int:
    """Returns the step of the state of this prefix."""
    name = _Name.parse(prefix.name)
    assert name is not None, prefix
    return name.step


def newest(folder: Path) -> Path | None:
    """Returns the prefix of the newest whole state of a folder, if there is any.

    What a killed process left of a state that was never finished does not count. A
    state that was finished and is damaged is passed over with a warning.

    Raises:
        InputError: All finished states are damaged, or one cannot be read now.
    """
    damaged: list[str] = []
    for prefix in reversed(_finished(folder)):
        if not (reason := _damage(prefix)):
            if damaged:
                _warn(f"{'; '.join(damaged)}; using the state before, {prefix}")
            return prefix
        damaged.append(f"{prefix}: damaged state: {reason}")
    if damaged:
        raise InputError(
            f"{'; '.join(damaged)}; no state before is there: copy it again, or delete "
            f"{folder} to start anew"
        )
    return None


def last_step(folder: Path) -> int | None:
    """Returns the step of the newest finished state, damaged or not, if any."""
    found = _finished(folder)
    return step_of(found[-1]) if found else None


def goodput(folder: Path) -> dict[str, float]:
    """Returns what the newest finished state says of the time; see `useful_time`."""
    found = _finished(folder)
    return useful_time.recorded(found[-1]) if found else {}


def _finished(folder: Path) -> list[Path]:
    """Returns the prefixes of the states that were written to the end, oldest first.

    An earlier version marked them only by their names in the file `checkpoint`.
    """
    if not folder.is_dir():
        return []
    recorded = {path.name for path in prefixes.recorded(folder)}
    named = {each.name: _Name.parse(each.name) for each in prefixes.prefixes_in(folder)}
    found = [
        (name, folder / text)
        for text, name in named.items()
        if name and (text in recorded or useful_time.mark(folder / text).is_file())
    ]
    return [prefix for _, prefix in sorted(found)]


def _damage(prefix: Path) -> str:
    """Says why a state cannot be read; "" if every byte that counts is right.

    TensorFlow stores a CRC-32C with every tensor and every block of the index. A store
    checks what it keeps itself.
    """
    if remote_path.is_remote(prefix):
        return ""
    stats = [(path.name, path.stat()) for path in sorted(_files(prefix))]
    stamp = tuple((name, stat.st_size, stat.st_mtime_ns) for name, stat in stats)
    return _damage_of(prefix, stamp)


# A training asks for its state several times.
@functools.lru_cache(maxsize=32)
def _damage_of(prefix: Path, stamp: tuple[object, ...]) -> str:
    del stamp
    try:
        # Not `load_checkpoint`, which takes a prefix in `ram://` for a folder.
        reader = tf.compat.v1.train.NewCheckpointReader(str(prefix))
        for name in reader.get_variable_to_shape_map():
            reader.get_tensor(name)
    except tf1.DAMAGE as error:
        reason = str(error).partition("\n")[0]
        # These say nothing of the state, which would be deleted as damaged.
        is_other = _OTHER.search(reason) or room.disk_failed(error)
        if is_other or room.memory_is_exhausted(error):
            raise InputError.at(prefix, None, f"cannot be read: {reason}") from None
        return reason
    return ""


@functools.lru_cache(maxsize=32)
def _warn(text: str) -> None:
    """Warns once."""
    _LOG.warning("%s", text)


class StateManager:
    """Keeps the newest states of a directory, and removes what a failed save leaves.

    There are never more than `max_to_keep` states, also while one is being written;
    only a `max_to_keep` of 1, and a step that is saved again, take one more for that
    time. A state is brought to the disk and marked as finished before an older one that
    it replaces is removed.

    Attributes:
        directory: Where the states are.
        state_bytes: Size of a state: the weights and the two moments of Adam or LAMB,
            all float32. Step, seed and index take some kilobytes more.
        model_bytes: Size of the weights alone.
        useful: The useful time of the training up to the newest state.
    """

    def __init__(
        self,
        state: tf.train.Checkpoint,
        directory: Path,
        max_to_keep: int,
        model: heads.Model,
    ) -> None:
        """Takes over the states of a directory; saves `state` there as `ckpt-<step>`.

        `model` is the model in the state.

        Raises:
            InputError: The directory cannot be written, or all states are damaged.
        """
        self.directory = directory
        self._state = state
        self._most = max_to_keep
        self.model_bytes = _size(model.variables)
        self.state_bytes = self.model_bytes + 2 * _size(model.trainable_variables)
        last, found = newest(directory), _finished(directory)
        self._states = found[: found.index(last) + 1] if last else []
        # Damaged ones are no reason to give up an older one.
        self._damaged = found[len(self._states) :]
        self._remove_unfinished({path.name for path in found})
        self.useful = useful_time.start(directory, last)

    @property
    def latest_checkpoint(self) -> str | None:
        """The prefix of the newest state, if there is one."""
        return str(self._states[-1]) if self._states else None

    def _remove_unfinished(self, finished: Collection[str]) -> None:
        """Removes what a killed process left."""
        for path in self.directory.glob("ckpt-*"):
            text = re.sub(r"_temp$|\.(index|json|data-\d+-of-\d+)$", "", path.name)
            if text not in finished and _Name.parse(text):
                _delete(self.directory / text)

    def require_room(self, num_saves: int, num_models: int) -> None:
        """Checks that the states and the models of a training fit on the disk.

        Room taken by earlier states counts as free, because they make way. If only some
        states fit, that is a warning. `num_saves` is the number of saves to come,
        `num_models` that of the models to come that are there at the same time.

        Raises:
            InputError: Not even the newest state and the one before fit.
        """
        held = [p for each in [*self._states, *self._damaged] for p in _files(each)]
        free = room.free_bytes(self.directory)
        free += sum(path.stat().st_size for path in held)
        number = len(self._states) + num_saves
        most = min(number, max(self._most, 2))
        models = "the model" if num_models == 1 else f"{num_models} models"
        models_bytes = num_models * self.model_bytes
        needed = most * self.state_bytes + models_bytes
        _LOG.info(
            "a training state takes %s on disk; %s and %s take %s",
            room.size(self.state_bytes),
            _states(most),
            models,
            room.size(needed),
        )
        least = min(number, 2) * self.state_bytes + models_bytes
        lack = (
            f"{self.directory}: a training state takes {room.size(self.state_bytes)}, "
            f"and {room.size(free)} are free"
        )
        if free < least:
            raise InputError(
                f"{lack}: too little for {_states(min(number, 2))} and {models}, "
                f"{room.size(least)}; make room, or choose another --output_dir"
            )
        if free < needed:
            _LOG.warning(
                "%s: too little for %s and %s, %s; lower "
                "--keep_checkpoint_max (now %d), or choose another --output_dir",
                lack,
                _states(most),
                models,
                room.size(needed),
                self._most,
            )

    def save(self, checkpoint_number: int) -> str:
        """Saves the state of a step, after it has deleted what need not be kept.

        Returns the prefix.

        Raises:
            InputError: The disk is full or failed. The newest states before are still
                there.
        """
        names = [_Name(checkpoint_number, is_again) for is_again in (False, True)]
        prefix, again = (self.directory / str(name) for name in names)
        is_again = prefix in self._states
        self._make_way(self._most if is_again else self._most - 1)
        prefix = again if is_again else prefix
        try:
            # As `tf.train.CheckpointManager`, whose states these once were.
            self._state.save_counter.assign_add(1)
            self._state.write(str(prefix))
            self._finish(prefix)
        except BaseException as error:
            if prefix not in self._states:
                _delete(prefix)
            if room.disk_is_full(error):
                raise room.full_disk(prefix, self.state_bytes, self._advice()) from None
            if room.disk_failed(error):
                raise room.failed_disk(prefix) from None
            raise
        # TensorFlow's own functions find the newest by this.
        tf1.record(prefix)
        for path in self._states[:-1]:
            if self._most == 1 or step_of(path) == checkpoint_number:
                self._states.remove(path)
                _delete(path)
        return str(prefix)

    def _make_way(self, most: int) -> None:
        """Deletes all but the newest `most` states, or the newest, for another one."""
        while self._damaged:
            _delete(self._damaged.pop())
        while len(self._states) > max(1, most):
            _delete(self._states.pop(0))

    def _finish(self, prefix: Path) -> None:
        """Brings a state to the disk; the mark that says so comes last."""
        if not remote_path.is_remote(prefix):
            for path in _files(prefix):
                durable.sync_file(path)
            durable.sync_folder(prefix.parent)
        self.useful.write(prefix)
        self._states.append(prefix)

    def _advice(self) -> str:
        """Says what to do if a state does not fit."""
        flag = f"lower --keep_checkpoint_max (now {self._most})"
        advice = f"{flag}, or move" if self._most > 2 else "move"
        advice += " everything to another --output_dir"
        if self._states:
            step = step_of(self._states[-1])
            advice += f"; the same command then resumes from step {step}"
        return advice


def _states(number: int) -> str:
    return f"{number} state{'s' if number > 1 else ''}"


def _size(variables: Any) -> int:
    """Returns the bytes of variables."""
    return sum(each.shape.num_elements() * each.dtype.size for each in variables)


def _files(prefix: Path) -> list[Path]:
    """Returns the files of a state, whole or not."""
    one = [prefixes.index(prefix), useful_time.mark(prefix)]
    data = prefix.parent.glob(f"{prefix.name}.data-*")
    return [path for path in (*one, *data) if path.exists()]


def _delete(prefix: Path) -> None:
    """Deletes a state; that it is finished is forgotten first."""
    files.remove_first(useful_time.mark(prefix))
    tf1.remove(prefix)
    files.remove_tree(prefix.with_name(f"{prefix.name}_temp"))
