"""Records what a block does to a folder, and makes the states that a crash may leave.

The kernel may lose, or bring to the disk in any order, whatever was not synced. So a
crash leaves of the contents of each file what was last synced, or some of what was
written since; of the names in a folder those at its last sync, with any of the changes
since, done or not. A rename is done or not done. Whatever changes between two calls
that are heard counts as one change that was not synced: so programs in C++ are seen
too.

    with crash_states.recording(folder, monkeypatch) as record:
        files.write_text(folder / "a", "new")
    for crashed in record.states(tmp_path / "crashed"):
        ...  # look at the copy of the folder in which `crashed.folder` is
"""

import contextlib
import itertools
import os
import random
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

# Of the states after each operation, so many at most are made, drawn at random.
MOST_PER_MOMENT = 24


class Naming(NamedTuple):
    """A change of names: what loses its name, and what gets one."""

    lost: tuple[int, str] | None
    got: tuple[int, str] | None
    node: int

    @property
    def folder(self):
        """The folder whose sync brings the change to the disk."""
        return (self.got or self.lost)[0]


class Writing(NamedTuple):
    node: int
    data: bytes


class Syncing(NamedTuple):
    node: int


class Crashed(NamedTuple):
    """A state after a crash: after how many of all operations, and where it is."""

    moment: int
    num_moments: int
    folder: Path

    @property
    def is_after_all(self):
        return self.moment == self.num_moments


@dataclass
class Record:
    """What was done to a folder, in order.

    A node is a file or a folder. Nodes are held open, so that no number is used twice.
    """

    root: Path
    log: list = field(default_factory=list)
    moments: list = field(default_factory=list)
    _held: dict = field(default_factory=dict)
    _contents: dict = field(default_factory=dict)
    _names: dict = field(default_factory=dict)

    def begin(self):
        """Everything that is there now is on the disk."""
        self._top = self._node(self.root)
        self.observe()
        nodes = [each.node for each in self.log if isinstance(each, Writing)]
        folders = {each.folder for each in self.log if isinstance(each, Naming)}
        self.log += [Syncing(node) for node in {*nodes, *folders}]
        self.moments = [len(self.log)]

    def observe(self):
        """Notes what has changed since the last time."""
        names = {}
        for folder, folders, files in os.walk(self.root):
            parent = self._node(folder)
            for name in (*folders, *files):
                with contextlib.suppress(FileNotFoundError):
                    names[parent, name] = self._node(Path(folder, name))
        lost = {key: node for key, node in self._names.items() if key not in names}
        sources = {node: key for key, node in lost.items()}
        for key, node in names.items():
            if self._names.get(key) != node:
                source = sources.pop(node, None)
                lost.pop(source, None)
                self.log.append(Naming(source, key, node))
        self.log += [Naming(key, None, node) for key, node in lost.items()]
        self._names = names
        for node in set(names.values()):
            if (data := self._data(node)) != self._contents.get(node, b""):
                self.log.append(Writing(node, data))
                self._contents[node] = data

    def synced(self, number):
        """Notes that a file or a folder was synced, by the number of its descriptor."""
        node = os.fstat(number).st_ino
        if node in self._held:
            self.log.append(Syncing(node))

    def moment(self):
        """Notes that a crash may come now."""
        self.observe()
        if self.moments[-1] != len(self.log):
            self.moments.append(len(self.log))

    def end(self):
        for number in self._held.values():
            os.close(number)

    def _node(self, path):
        number = os.open(path, os.O_RDONLY)
        node = os.fstat(number).st_ino
        if node in self._held:
            os.close(number)
        self._held.setdefault(node, number)
        return node

    def _data(self, node):
        number = self._held[node]
        try:
            return os.pread(number, os.fstat(number).st_size, 0)
        except IsADirectoryError:
            return b""

    def states(self, place, seed=0):
        """Yields every state that a crash may leave, made in a folder `place`."""
        seen = set()
        for number, end in enumerate(self.moments):
            for state in self._after(self.log[:end], random.Random(f"{seed}/{number}")):
                is_last = number == len(self.moments) - 1
                shown = (tuple(sorted(state.items())), is_last)
                if shown in seen:
                    continue
                seen.add(shown)
                shutil.rmtree(place, ignore_errors=True)
                place.mkdir()
                for name, data in sorted(state.items()):
                    if data is None:
                        (place / name).mkdir()
                    else:
                        (place / name).write_bytes(data)
                yield Crashed(number, len(self.moments) - 1, place)

    def _after(self, log, rng):
        """Yields states as path to bytes; None for a folder."""
        namings, synced_names, versions, synced = [], set(), {}, {}
        for each in log:
            if isinstance(each, Naming):
                namings.append(each)
            elif isinstance(each, Writing):
                versions.setdefault(each.node, [b""]).append(each.data)
            else:
                synced[each.node] = len(versions.get(each.node, [b""])) - 1
                found = enumerate(namings)
                synced_names |= {i for i, x in found if x.folder == each.node}
        loose = [i for i in range(len(namings)) if i not in synced_names]
        choices = {}
        for node, written in versions.items():
            since = written[synced.get(node, 0) :]
            torn = [since[-1][: len(since[-1]) // 2]] if len(since) > 1 else []
            choices[node] = [*dict.fromkeys([*since, *torn])]
        open_ = [node for node, found in choices.items() if len(found) > 1]
        number = 2 ** len(loose)
        for node in open_:
            number *= len(choices[node])
        if number <= MOST_PER_MOMENT:
            picks = itertools.product(
                *[(True, False)] * len(loose), *(choices[x] for x in open_)
            )
        else:
            picks = (
                (
                    *(rng.random() < 0.6 for _ in loose),
                    *(rng.choice(choices[x]) for x in open_),
                )
                for _ in range(MOST_PER_MOMENT)
            )
            # What a kill leaves while the machine goes on.
            newest = (versions[x][-1] for x in open_)
            picks = itertools.chain([(*[True] * len(loose), *newest)], picks)
        for pick in picks:
            done = synced_names | {
                i for i, is_done in zip(loose, pick, strict=False) if is_done
            }
            data = {node: found[0] for node, found in choices.items()}
            data |= dict(zip(open_, pick[len(loose) :], strict=True))
            yield self._made([namings[i] for i in sorted(done)], data)

    def _made(self, namings, data):
        names = {}
        for lost, got, node in namings:
            if lost and names.get(lost) == node:
                del names[lost]
            if got:
                names[got] = node
        below = {}
        for (parent, name), node in names.items():
            below.setdefault(parent, []).append((name, node))
        state = {}

        def add(folder, prefix):
            for name, node in below.get(folder, ()):
                path = f"{prefix}{name}"
                is_folder = os.path.isdir(f"/proc/self/fd/{self._held[node]}")
                state[path] = None if is_folder else data.get(node, b"")
                if is_folder:
                    add(node, f"{path}/")

        add(self._top, "")
        return state


@contextlib.contextmanager
def recording(root, monkeypatch):
    """Yields the record of what the block does to a folder.

    Heard are the calls of Python that sync, rename and remove.
    """
    record = Record(root)
    record.begin()

    def heard(function, is_sync=False):
        def call(*args, **options):
            record.moment()
            result = function(*args, **options)
            if is_sync:
                record.synced(args[0])
            record.moment()
            return result

        return call

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", heard(os.fsync, is_sync=True))
        for name in ("replace", "rename", "unlink", "rmdir", "mkdir"):
            patch.setattr(os, name, heard(getattr(os, name)))
        yield record
        record.moment()
