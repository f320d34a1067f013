"""`biobert doctor`: what it finds, on this machine and on broken ones."""

import json
import sys

import pytest

from biobert_tf.cli import main as cli
from biobert_tf.common import files, program, wheels
from biobert_tf.doctor import checks, probe
from biobert_tf.doctor.settings import DoctorConfig

WELL = wheels.Owner("tensorflow", "2.20.0", 2, ())
FITTING = wheels.Wheels(wheels.PINS, [WELL], None)

# A program that behaves as the one that tries devices, up to a device that is bad.
DEVICES = """
import json, os, signal, sys, time
done = sys.argv[2:]
def say(*values):
    print(json.dumps(values), flush=True)
say("TensorFlow")
say("TensorFlow", True, "1.0 can be imported")
print("a library's note")
for part in ("CPU:0", "GPU:0", "GPU:1", "GPU:2", "TPU"):
    if part in done:
        continue
    say(part)
    if part == "GPU:0":
        os.kill(os.getpid(), signal.SIGSEGV)
    if part == "GPU:1":
        time.sleep(60)
    say(part, part != "GPU:2", "computed")
"""


def tried(code, with_tpu, seconds):
    command = (sys.executable, "-c", code)
    return [tuple(each) for each in probe.of_devices(seconds, with_tpu, command)]


def test_a_device_that_crashes_or_hangs_costs_itself():
    found = tried(DEVICES, False, 5)
    assert found == [
        ("TensorFlow", True, "1.0 can be imported"),
        ("CPU:0", True, "computed"),
        ("GPU:0", False, "ended the process (SIGSEGV)"),
        ("GPU:1", False, "no answer within 5 s"),
        ("GPU:2", False, "computed"),
    ]


def test_a_tensorflow_that_cannot_be_imported():
    error = "import sys; print('[\"TensorFlow\"]'); sys.exit('ImportError: lib.so')"
    found = tried(error, True, 30)
    assert found == [("TensorFlow", False, "failed: ImportError: lib.so")]
    assert tried("import os; os.abort()", True, 30) == [
        ("TensorFlow", False, "ended the process (SIGABRT)")
    ]


def test_devices_that_cannot_be_listed():
    code = DEVICES.replace('print("a lib', 'say("devices"); os.abort()\nprint("a lib')
    assert tried(code, True, 30) == [
        ("TensorFlow", True, "1.0 can be imported"),
        ("devices", False, "ended the process (SIGABRT)"),
    ]


@pytest.fixture
def doctor(capsys, monkeypatch, tmp_path):
    """Runs the command on devices that are given; returns its status and its lines.

    This machine's driver, and who uses its TPU now, are not looked at.
    """
    monkeypatch.setattr(checks, "_NVIDIA_DRIVER", tmp_path / "no driver")
    monkeypatch.setattr(checks.tpu, "held", lambda *_: None)

    def doctor(*words, found=FITTING, devices=()):
        monkeypatch.setattr(wheels, "installed", lambda: found)
        parts = [probe.Found(*each) for each in devices]
        monkeypatch.setattr(probe, "of_devices", lambda seconds, with_tpu: iter(parts))
        try:
            status = program.run(cli.main, ["biobert", "doctor", *words])
        except SystemExit as ended:
            status = ended.code
        return status, capsys.readouterr().out.splitlines()

    return doctor


def test_what_is_well(doctor, tmp_path):
    report, folder = tmp_path / "report.json", tmp_path / "a" / "b"
    devices = [("TensorFlow", True, "2.20.0"), ("CPU:0", True, "multiplies right")]
    words = (f"--json={report}", f"--output_dir={folder}")
    status, lines = doctor(*words, devices=devices)
    assert status == 0
    assert "ok      wheels: all 2 files of tensorflow 2.20.0 in place" in lines
    said = f"ok      output_dir: files in {folder} can be written, read and renamed"
    assert said in lines
    assert lines[-1] == "ok      CPU:0: multiplies right"
    # What was made for the try is gone.
    assert list(tmp_path.iterdir()) == [report]
    written = json.loads(files.read_text(report))
    shown = [f"{x['status']:8}{x['name']}: {x['found']}" for x in written]
    assert shown == lines


def test_an_error_is_the_status(doctor, tmp_path):
    broken = wheels.Owner("tensorflow", "2.20.0", 2, ("tensorflow/a.py",))
    unfit = wheels.Wheels({**wheels.PINS, "tf-keras": "2.19.0"}, [broken], None)
    status, lines = doctor(found=unfit)
    assert status == 1
    errors = [line for line in lines if line.startswith("error ")]
    assert [line.split(":")[0].split()[1] for line in errors] == ["wheels", "tf-keras"]


@pytest.mark.parametrize("words, status", [([], 0), (["--use_tpu"], 1)])
def test_a_tpu_that_is_not_there(doctor, words, status):
    owner = wheels.Owner("tensorflow-tpu", "2.20.0", 2, ())
    found = wheels.Wheels(wheels.PINS, [owner], None)
    devices = [("TPU", False, "No matching devices found")]
    ended, lines = doctor(*words, found=found, devices=devices)
    assert ended == status
    assert lines[-1].startswith("error   TPU: " if status else "warning TPU: ")
    assert lines[-1].endswith("(TensorFlow: No matching devices found)")


def test_a_silent_tensorflow_for_tpus(doctor):
    owner = wheels.Owner("tensorflow-tpu", "2.20.0", 2, ())
    found = wheels.Wheels(wheels.PINS, [owner], None)
    silent = ("TensorFlow", False, f"{probe.SILENT} 180 s")
    status, lines = doctor(found=found, devices=[silent])
    assert status == 1
    assert lines[-1].endswith("outside Google's cloud set TPU_SKIP_MDS_QUERY=1")
    assert "TPU_SKIP" not in doctor(devices=[silent])[1][-1]


def test_a_driver_without_libraries(doctor, monkeypatch, tmp_path):
    driver = tmp_path / "version"
    driver.touch()
    monkeypatch.setattr(checks, "_NVIDIA_DRIVER", driver)
    status, lines = doctor(devices=[("CPU:0", True, "multiplies right")])
    assert status == 1
    assert lines[-1].startswith("error   GPU: TensorFlow sees none; pip install ")
    warnings = [line for line in lines if line.startswith("warning ")]
    assert any("but no library" in line for line in warnings)
    versions = {**wheels.PINS, "nvidia-cudnn-cu12": "9"}
    found = wheels.Wheels(versions, [WELL], None)
    status, lines = doctor(found=found, devices=[("GPU:0", True, "multiplies right")])
    assert status == 0
    assert any("1 wheels of NVIDIA's libraries, and a driver" in x for x in lines)


def test_the_disk_is_that_of_the_folder(doctor, tmp_path):
    for name in (str(tmp_path), f"file://{tmp_path}"):
        _, lines = doctor(f"--output_dir={name}")
        (disk,) = (line for line in lines if " disk: " in line)
        assert f" are free at {tmp_path}" in disk


def test_little_room(doctor, monkeypatch):
    monkeypatch.setattr(checks.room, "host_memory", lambda: 10**9)
    monkeypatch.setattr(checks.room, "free_bytes", lambda path: 10**9)
    status, lines = doctor()
    assert status == 0
    warnings = [line for line in lines if line.startswith("warning ")]
    assert len(warnings) == 2
    assert any("memory: 1.0 GB can be had; BERT-Base needs" in x for x in warnings)


def test_a_folder_that_cannot_be_used(tmp_path):
    (tmp_path / "file").touch()
    for name in ("/proc/nothing", str(tmp_path / "file")):
        (found,) = probe.of_folder(DoctorConfig(output_dir=name))
        assert not found.is_well
        assert found.text.startswith(f"{name}") and "cannot be written" in found.text


def test_a_folder_in_a_store():
    (found,) = probe.of_folder(DoctorConfig(output_dir="ram://bucket/runs/a"))
    assert found.is_well
    assert found.text.startswith("files in ram://bucket/runs/a can be written")


def test_this_machine():
    """Real devices, in a real process."""
    found = {each.part: each for each in probe.of_devices(120, with_tpu=False)}
    assert found["TensorFlow"].is_well and found["CPU:0"].is_well
    assert found["CPU:0"].text == "multiplies right"
    assert not any("TPU" in part for part in found)
