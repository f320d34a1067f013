"""A wheel from this tree, installed elsewhere, is whole."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

from biobert_tf.common import wheels

ROOT = Path(__file__).parents[1]


def test_the_installed_package_answers_outside_the_clone(tmp_path):
    """Builds without network: the build tools are those of this environment."""
    # A copy, because building leaves files in the tree it builds.
    tree = tmp_path / "tree"
    tree.mkdir()
    for name in ("setup.py", "pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, tree)
    for name in ("biobert_tf", "vocab"):
        shutil.copytree(ROOT / name, tree / name)
    site = tmp_path / "site"
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"]
    command += ["--no-build-isolation", "--no-index", "--target", str(site), str(tree)]
    subprocess.run(command, check=True, cwd=tmp_path)
    check = (
        "import biobert_tf, sys; from biobert_tf.cli import main as cli; "
        "from biobert_tf.demo import ner as demo; "
        "from biobert_tf.published import manifest; manifest.load(); "
        "print(biobert_tf.__file__, demo.vocab_file()); cli.main(['biobert', '--help'])"
    )
    result = subprocess.run(
        [sys.executable, "-P", "-c", check],
        env={"PYTHONPATH": str(site), "PATH": ""},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    package, vocab = result.stdout.splitlines()[0].split()
    assert Path(package).is_relative_to(site)
    assert Path(vocab) == site / "biobert_tf" / "vocab" / "demo-vocab.txt"
    for command_name in ("ner", "re", "demo", "corpus", "pretraining", "vocab"):
        assert f"  {command_name} " in result.stdout


def pins(name):
    """The exact versions that a file names, by package."""
    text = (ROOT / name).read_text("utf-8")
    found = re.findall(r"^([\w.-]+)==([\w.]+)", text, re.MULTILINE)
    return {package.replace("_", "-").lower(): version for package, version in found}


def test_the_pins_of_tensorflow_agree():
    """In what is installed here, on a TPU VM, and in what `biobert doctor` wants."""
    tested, for_tpus = pins("constraints.txt"), pins("requirements-tpu.txt")
    assert set(for_tpus) == {"tensorflow-tpu", "libtpu"}
    wanted = {name: ({**tested, **for_tpus})[name] for name in wheels.PINS}
    assert wanted == wheels.PINS
    assert wheels.fault_of_libtpu(for_tpus["libtpu"]) is None
    setup = (ROOT / "setup.py").read_text("utf-8")
    minor = re.search(r'^TENSORFLOW = "([\d.]+)"', setup, re.MULTILINE)[1]
    named = re.findall(r'f"([\w-]+)=={TENSORFLOW}\.(\d+)"', setup)
    assert len(named) == len(wheels.PINS) - len(for_tpus)
    for package, patch in named:
        assert wheels.PINS[package] == f"{minor}.{patch}"


def test_the_empty_tensorflow_is_what_others_require():
    stand_in = (ROOT / "tpu" / "setup.py").read_text("utf-8")
    version = wheels.PINS["tensorflow"]
    assert f'setup(name="tensorflow", version="{version}", packages=[]' in stand_in
    lines = (ROOT / "requirements-tpu.txt").read_text("utf-8").splitlines()
    assert {"-c constraints.txt", "-e .", "./tpu"} <= set(lines)
