"""Where tests find recorded outputs and real data; skips with a reason elsewhere."""

import gc
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import recording as small_recording

ROOT = Path(__file__).parents[1]

# A shell that starts the suite in the background lets it ignore Ctrl-C, and a child
# would inherit that from it: also one that a test sends Ctrl-C to.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Tracing makes hundreds of thousands of objects that live on; looking for garbage among
# them after every 700 costs a twentieth of the suite. See also `frozen`.
gc.set_threshold(100_000, 50, 100)


@pytest.fixture(scope="module", autouse=True)
def frozen():
    """What modules leave is not looked through again: in the end that is gigabytes."""
    yield
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="module", autouse=True)
def untuned():
    """No iterator has a tuning thread: who frees one may wait a minute for its end.

    A training has none either, see `records.untuned`; but TensorFlow has no public
    function for the iterators that it makes for several devices.
    """
    if "tensorflow" in sys.modules:
        from tensorflow.python.data.ops import dataset_ops

        from biobert_tf.training import records

        dataset_ops.DatasetV2._apply_debug_options = records.untuned


def _folder(variable: str, default: str) -> Path:
    folder = Path(os.environ.get(variable, ROOT / default)).resolve()
    if not folder.is_dir():
        pytest.skip(f"{folder} is absent; set {variable} to run this test")
    return folder


@pytest.fixture(scope="session")
def golden() -> Path:
    """Folder of outputs recorded from the original programs."""
    return _folder("BIOBERT_GOLDEN", "../shared/golden")


@pytest.fixture(
    scope="session", params=["small", pytest.param("full", marks=pytest.mark.golden)]
)
def recording(request, tmp_path_factory) -> Path:
    """The small recording of this repository, and `golden` where it is there."""
    if request.param == "full":
        return request.getfixturevalue("golden")
    return small_recording.build(tmp_path_factory.mktemp("recorded"))


@pytest.fixture(scope="session")
def data() -> Path:
    """Folder of real data sets."""
    return _folder("BIOBERT_DATA", "../shared/data")


@pytest.fixture(scope="session")
def cases() -> Path:
    """Folder of small inputs after public reports, each with its right result."""
    return _folder("BIOBERT_CASES", "../shared/cases")


@pytest.fixture(scope="session", autouse=True)
def no_network():
    """Nothing is fetched from elsewhere, by a test or by what it tests."""
    connect = socket.socket.connect

    def connect_here(self, address):
        if self.family in (socket.AF_INET, socket.AF_INET6):
            host = str(address[0])
            assert host in ("127.0.0.1", "::1", "localhost"), f"connects to {address}"
        return connect(self, address)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", connect_here)
        yield


@pytest.fixture(autouse=True)
def no_determinism():
    """A training makes TensorFlow deterministic in its process: others are spared it.

    TensorFlow has no public function to undo that; a program never needs one.
    """
    yield
    if "tensorflow" in sys.modules:
        from tensorflow.python.framework import config

        config.disable_op_determinism()


@pytest.fixture(autouse=True)
def no_named_libtpu(monkeypatch):
    """An import of libtpu, which JAX does, sets this variable in the process."""
    monkeypatch.delenv("TPU_LIBRARY_PATH", raising=False)


@pytest.fixture
def small_disk(tmp_path):
    """A file system of its own of 4 MB, in memory."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=4m", "none", str(folder)]
    try:
        mounted = subprocess.run(command, capture_output=True, text=True)
    except OSError as error:
        pytest.skip(f"cannot mount a small disk: {error}")
    if mounted.returncode:
        pytest.skip(f"cannot mount a small disk: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)
