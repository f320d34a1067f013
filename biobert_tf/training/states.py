# SPDX-License-Identifier: Apache-2.0
"""The states that a training saves: how much disk they take, and never half of one."""

import logging
from pathlib import Path
from typing import Any, Final

import tensorflow as tf

from biobert_tf.common import files, remote_path, room
from biobert_tf.common.errors import InputError
from biobert_tf.model import heads
from biobert_tf.model.layers import DropoutBits

_LOG = logging.getLogger(__name__)

_NAME = "ckpt"
_BITS = "dropout_bits"
_EARLIER_BITS: Final = 32


def drawing(path: str | None) -> tuple[DropoutBits, dict[str, tf.Variable]]:
    """Returns how a training draws its dropout, and what says so in its states.

    A training that has no state draws 8 bits. One that goes on from the state `path`
    draws as it began: 32 bits, if an earlier version began it and nothing says so.
    """
    if (said := _said_bits(path)) is None:
        return _EARLIER_BITS, {}
    bits: DropoutBits = 32 if said == 32 else 8
    return bits, {_BITS: tf.Variable(bits, trainable=False)}


def is_earlier(path: str | None) -> bool:
    """Returns whether the state `path` is an earlier version's, which never packed."""
    return _said_bits(path) is None


def _said_bits(path: str | None) -> int | None:
    """Returns the bits of a draw in a state, 8 without a state; None: it says none."""
    if path is None:
        return 8
    # Not `list_variables`, which takes a prefix in `ram://` for a folder.
    reader = tf.compat.v1.train.NewCheckpointReader(path)
    names = reader.get_variable_to_shape_map()
    found = [name for name in names if name.split("/")[0] == _BITS]
    return int(reader.get_tensor(found[0])) if found else None


class StateManager(tf.train.CheckpointManager):
    """Keeps the newest states of a directory, and removes what a failed save leaves.

    There are never more than `max_to_keep` states, also while one is being written;
    only a `max_to_keep` of 1 takes a second for that time.

    Attributes:
        state_bytes: Size of a state: the weights and the two moments of Adam or LAMB,
            all float32. Step, seed and index take some kilobytes more.
        model_bytes: Size of the weights alone.
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
        """
        self._folder = directory
        self._most = max_to_keep
        self.model_bytes = _size(model.variables)
        self.state_bytes = self.model_bytes + 2 * _size(model.trainable_variables)
        # What a killed process left.
        for half in directory.glob(f"{_NAME}-*_temp"):
            files.remove_tree(half)
        super().__init__(state, str(directory), max_to_keep)

    def require_room(self, num_saves: int, num_models: int) -> None:
        """Checks that the states and the models of a training fit on the disk.

        Room taken by earlier states counts as free, because they make way. If only some
        states fit, that is a warning. `num_saves` is the number of saves to come,
        `num_models` that of the models to come that are there at the same time.

        Raises:
            InputError: Not even the newest state and the one before fit.
        """
        held = [path for each in self._prefixes() for path in _files(each)]
        free = room.free_bytes(self._folder)
        free += sum(path.stat().st_size for path in held)
        number = len(self.checkpoints) + num_saves
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
            f"{self._folder}: a training state takes {room.size(self.state_bytes)}, "
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

    def save(self, checkpoint_number: int | None = None, **options: Any) -> str:
        """Saves the state of a step, after it has deleted what need not be kept.

        Raises:
            InputError: The disk is full. The newest states before are still there.
        """
        for old in self._prefixes()[: -max(1, self._most - 1)]:
            _delete(old)
        prefix = self._folder / f"{_NAME}-{checkpoint_number}"
        try:
            return str(super().save(checkpoint_number, **options))
        except BaseException as error:
            if self.latest_checkpoint != str(prefix):
                _delete(prefix)
            # Of a step that is saved again, the state before stays.
            files.remove_tree(prefix.with_name(f"{prefix.name}_temp"))
            if room.disk_is_full(error):
                raise room.full_disk(prefix, self.state_bytes, self._advice()) from None
            raise

    def _prefixes(self) -> list[Path]:
        """Returns where the states are, the oldest first."""
        return [remote_path.parse(each) for each in self.checkpoints]

    def _advice(self) -> str:
        """Says what to do if a state does not fit."""
        flag = f"lower --keep_checkpoint_max (now {self._most})"
        advice = f"{flag}, or move" if self._most > 2 else "move"
        advice += " everything to another --output_dir"
        if latest := self.latest_checkpoint:
            step = latest.rpartition("-")[2]
            advice += f"; the same command then resumes from step {step}"
        return advice


def _states(number: int) -> str:
    return f"{number} state{'s' if number > 1 else ''}"


def _size(variables: Any) -> int:
    """Returns the bytes of variables."""
    return sum(each.shape.num_elements() * each.dtype.size for each in variables)


def _files(prefix: Path) -> list[Path]:
    """Returns the files and folders of a state, whole or not."""
    return [*prefix.parent.glob(f"{prefix.name}[._]*")]


def _delete(prefix: Path) -> None:
    for path in _files(prefix):
        if path.is_dir():
            files.remove_tree(path)
        else:
            path.unlink(missing_ok=True)
