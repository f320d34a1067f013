"""A wheel from this tree, installed elsewhere, is whole."""

import shutil
import subprocess
import sys
from pathlib import Path

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
