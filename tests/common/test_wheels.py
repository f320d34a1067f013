import os
import subprocess
import sys
from pathlib import Path

import pytest
import wheel_toys

from biobert_tf.common import wheels

ROOT = Path(__file__).parents[2]
PLAIN = {"tensorflow/__init__.py": "plain", "tensorflow/lib.so": "kernels of GPUs"}
FOR_TPU = {"tensorflow/__init__.py": "tpu!!", "tensorflow/lib.so": "kernels of TPUs."}
OTHERS = {
    name: version
    for name, version in wheels.PINS.items()
    if name not in ("tensorflow", "tensorflow-tpu")
}


@pytest.fixture
def site(tmp_path):
    """A folder with all packages but TensorFlow."""
    for name, version in OTHERS.items():
        wheel_toys.install(tmp_path, name, version)
    return tmp_path


def faults(site):
    found = wheels.installed([str(site)])
    return wheels.fault_of_folder(found), wheels.faults_of_versions(found)


@pytest.mark.parametrize(
    "name, files", [("tensorflow", PLAIN), ("tensorflow-tpu", FOR_TPU)]
)
def test_one_wheel(site, name, files):
    wheel_toys.install(site, name, "2.20.0", files)
    found = wheels.installed([str(site)])
    (owner,) = found.owners
    assert owner == wheels.Owner(name, "2.20.0", 2, ())
    assert found.folder == site / "tensorflow"
    assert found.is_for_tpu == (name == "tensorflow-tpu")
    assert faults(site) == (None, {})


def test_the_empty_package_beside_tensorflow_tpu(site):
    """As requirements-tpu.txt installs it."""
    wheel_toys.install(site, "tensorflow", "2.20.0")
    wheel_toys.install(site, "tensorflow_tpu", "2.20.0", FOR_TPU)
    assert faults(site) == (None, {})


def test_two_wheels_in_one_folder(site):
    wheel_toys.install(site, "tensorflow_tpu", "2.20.0", FOR_TPU)
    wheel_toys.install(site, "tensorflow", "2.20.0", PLAIN)
    fault, others = faults(site)
    assert fault == (
        "tensorflow-tpu and tensorflow share one folder, 1 of the 2 files of "
        f"tensorflow-tpu are overwritten; {wheels.INSTALL_TPU}"
    )
    assert not others


def test_two_wheels_neither_for_tpus(site):
    wheel_toys.install(site, "tensorflow-cpu", "2.20.0", PLAIN)
    wheel_toys.install(site, "tensorflow", "2.20.0", PLAIN)
    fault, _ = faults(site)
    assert fault.startswith("tensorflow and tensorflow-cpu share one folder, 0 of")
    assert fault.endswith(
        "; pip uninstall -y tensorflow tensorflow-cpu && pip install tensorflow==2.20.0"
    )


def test_files_that_another_wheel_has_taken_away(site):
    wheel_toys.install(site, "tensorflow-tpu", "2.20.0", FOR_TPU)
    (site / "tensorflow" / "lib.so").unlink()
    fault, _ = faults(site)
    assert fault.startswith("1 of the 2 files of tensorflow-tpu are missing or altered")
    assert f"such as tensorflow/lib.so; {wheels.INSTALL_TPU}" in fault


def test_no_wheel(site):
    assert faults(site)[0].endswith("not installed; pip install tensorflow==2.20.0")
    # Somebody's own build, of which nothing is known.
    (site / "tensorflow").mkdir()
    (site / "tensorflow" / "__init__.py").touch()
    assert faults(site)[0] is None


def test_versions_that_do_not_fit(tmp_path):
    wheel_toys.install(tmp_path, "tensorflow", "2.20.0", PLAIN)
    versions = {**OTHERS, "tensorflow-text": "2.19.0", "tf-keras": "2.20.9"}
    # Plain TensorFlow never loads libtpu.
    versions["libtpu"] = "0.0.52"
    del versions["tf-models-official"]
    for name, version in versions.items():
        wheel_toys.install(tmp_path, name, version)
    assert faults(tmp_path)[1] == {
        "tensorflow-text": "2.19.0 does not fit; pip install --no-deps "
        "tensorflow-text==2.20.1",
        "tf-models-official": "not installed; pip install --no-deps "
        "tf-models-official==2.20.0",
    }


def test_another_tensorflow(site):
    wheel_toys.install(site, "tensorflow", "2.21.0", PLAIN)
    fault = "2.21.0 does not fit; pip install --no-deps tensorflow==2.20.0"
    assert faults(site)[1] == {"tensorflow": fault}


@pytest.mark.parametrize(
    "version, fits",
    [
        ("0.0.13", False),
        ("0.0.14", True),
        ("0.0.21.1", True),
        ("0.0.31", True),
        ("0.0.32", False),
        ("0.0.52", False),
        ("0.1", False),
        (None, False),
    ],
)
def test_libtpu(monkeypatch, version, fits):
    monkeypatch.delenv("TPU_LIBRARY_PATH", raising=False)
    fault = wheels.fault_of_libtpu(version)
    assert (fault is None) == fits
    assert fits or fault.endswith("; pip install libtpu==0.0.18")
    monkeypatch.setenv("TPU_LIBRARY_PATH", "/lib/libtpu.so")
    assert wheels.fault_of_libtpu(version) is None


@pytest.mark.parametrize("version, refused", [("0.0.52", True), ("0.0.18", False)])
def test_an_import_that_would_end_the_process_is_refused(tmp_path, version, refused):
    wheel_toys.install(
        tmp_path, "tensorflow-tpu", "2.20.0", {"tensorflow/__init__.py": "loaded = 1"}
    )
    wheel_toys.install(tmp_path, "libtpu", version)
    code = (
        "import sys\n"
        "from biobert_tf.common import program\n"
        "def main(argv):\n"
        "    import tensorflow\n"
        "    print(tensorflow.loaded)\n"
        "sys.exit(program.run(main, sys.argv))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"},
        capture_output=True,
        text=True,
    )
    if refused:
        assert done.returncode == 2
        (line,) = done.stderr.splitlines()
        assert line.startswith("error: libtpu 0.0.52 does not fit: ")
    else:
        assert (done.returncode, done.stdout, done.stderr) == (0, "1\n", "")
