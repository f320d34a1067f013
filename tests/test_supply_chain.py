# SPDX-License-Identifier: Apache-2.0
"""What is installed, under which licences, and that nothing is fetched unasked.

As a program, writes docs/licences.md: `PYTHONPATH=.:tests python
tests/test_supply_chain.py`, with more folders of packages as arguments, if not all of
the lock are installed here.
"""

import ast
import importlib.metadata
import re
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "licences.md"
LOCKS = ("requirements.lock", "requirements-test.lock")
TPU_LOCK = "requirements-tpu.lock"
HEAD = """# Licences of the dependencies

Made by `tests/test_supply_chain.py` from what each package says of itself. biobert_tf
is under Apache-2.0. Packages for `tests` are installed by `make test` only.

| package | version | licence | for |
| --- | --- | --- | --- |
"""
_ROW = re.compile(r"\| (\S+) \| (\S+) \| (.+) \| (use|tests) \|")
_LONGEST = 60
# From the files of packages that name none in their metadata.
_READ = {"namex": "Apache-2.0"}
_CLASSIFIER = "License :: OSI Approved :: "


def key(name):
    return re.sub("[-_.]+", "-", name).lower()


def locked(name):
    """Returns the version of every package of a lock."""
    text = (ROOT / name).read_text("utf-8")
    found = re.findall(r"^([\w.-]+)==([\w.+-]+)", text, re.MULTILINE)
    return {key(package): version for package, version in found}


def licence(about):
    """Returns the licence that the metadata of a package names; "" if none."""
    expression = about.get("License-Expression")
    text = [*(about.get("License") or "").strip().splitlines(), ""][0]
    classes = [
        line.removeprefix(_CLASSIFIER)
        for line in about.get_all("Classifier") or []
        if line.startswith(_CLASSIFIER)
    ]
    found = expression or text * (len(text) <= _LONGEST) or "; ".join(classes)
    return (found or _READ.get(about["Name"], "")).replace("|", "/")


def rows():
    """Returns version, licence and purpose by package, as the page has them."""
    return {
        match[1]: match.groups()[1:] for match in _ROW.finditer(PAGE.read_text("utf-8"))
    }


def installed(paths):
    """Yields name, version and licence of the packages in some folders."""
    for found in importlib.metadata.distributions(path=list(paths)):
        yield key(found.name), found.version, licence(found.metadata)


def write(folders):
    old = rows() if PAGE.exists() else {}
    here = {(name, version): text for name, version, text in installed(folders)}
    lines = []
    needed = locked(LOCKS[0])
    for name, version in sorted(locked(LOCKS[1]).items()):
        known = old.get(name, ("", "", ""))
        text = here.get((name, version)) or (known[1] if known[0] == version else "?")
        purpose = "use" if name in needed else "tests"
        lines.append(f"| {name} | {version} | {text} | {purpose} |\n")
    PAGE.write_text(HEAD + "".join(lines), encoding="utf-8")


# --- the locks ------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*LOCKS, TPU_LOCK])
def test_every_package_has_a_version_and_hashes(name):
    text = (ROOT / name).read_text("utf-8")
    entries = re.split(r"\n(?=\S)", text.strip())
    assert len(entries) > 80
    for entry in entries:
        assert re.match(r"[\w.-]+==[\w.+-]+( ; .+?)? \\\n", entry), entry
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", entry), entry
    assert "://" not in text
    assert " @ " not in text


def test_the_locks_agree_with_one_another_and_with_the_constraints():
    use, tests = map(locked, LOCKS)
    assert use.items() <= tests.items()
    pinned = locked("constraints.txt")
    for name, version in tests.items():
        assert pinned.get(name, version) == version


def test_the_lock_for_tpus_has_only_another_tensorflow():
    own = locked("requirements-tpu.txt")
    assert locked(TPU_LOCK) == {**locked(LOCKS[0]), **own}
    text = (ROOT / TPU_LOCK).read_text("utf-8")
    # pip skips what no system is.
    [entry] = re.findall(r"^tensorflow==.*", text, re.MULTILINE)
    assert "sys_platform == 'never'" in entry


def test_what_the_package_requires_is_locked():
    """Every requirement of setup.py has a version in the lock that it allows."""
    use, tests = map(locked, LOCKS)
    required = [*map(Requirement, importlib.metadata.requires("biobert_tf"))]
    assert len(required) > 10
    for one in required:
        is_used = one.marker is None or one.marker.evaluate({"extra": ""})
        is_of_tests = one.marker is None or one.marker.evaluate({"extra": "test"})
        for lock, is_needed in ((use, is_used), (tests, is_of_tests)):
            if is_needed:
                assert one.specifier.contains(lock[key(one.name)]), one


# --- licences -------------------------------------------------------------------------


def test_the_page_has_the_packages_of_the_lock():
    needed, everything = map(locked, LOCKS)
    found = rows()
    assert {name: row[0] for name, row in found.items()} == everything
    assert {name for name, row in found.items() if row[2] == "use"} == {*needed}
    for name, (_, text, _) in found.items():
        assert text not in ("", "?", "UNKNOWN"), name


def test_the_page_says_what_the_packages_here_say():
    found = rows()
    num_checked = 0
    for name, version, text in installed(sys.path):
        if text and name in found and found[name][0] == version:
            assert found[name][1] == text, name
            num_checked += 1
    assert num_checked > 50


# --- no code in files, nothing from the network ---------------------------------------

# Files of one job, in its own folder: SECURITY.md.
PICKLES = {"ner/annotate_beam.py", "common/beam_storage.py"}
RUNS_CODE = {"pickle", "marshal", "shelve", "dill", "cloudpickle", "joblib", "yaml"}


def test_no_module_reads_what_can_run_code():
    package = ROOT / "biobert_tf"
    for path in package.rglob("*.py"):
        tree = ast.parse(path.read_text("utf-8"))
        name = path.relative_to(package).as_posix()
        for node in ast.walk(tree):
            if isinstance(node, ast.Import | ast.ImportFrom):
                module = getattr(node, "module", None) or node.names[0].name
                is_bad = module.partition(".")[0] in RUNS_CODE
                assert not is_bad or name in PICKLES, f"{name} imports {module}"
            if isinstance(node, ast.Call):
                given = {word.arg: ast.unparse(word.value) for word in node.keywords}
                called = ast.unparse(node.func)
                assert called not in ("eval", "exec"), name
                assert given.get("allow_pickle", "False") == "False", name
                if called == "torch.load":
                    assert given["weights_only"] == "True"


CLOSED = """
import sys

def hook(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname"):
        raise SystemExit(f"{event} {arguments}")

sys.addaudithook(hook)
import biobert_tf
from biobert_tf.cli import main as cli
from biobert_tf.demo import ner as demo
from biobert_tf.published import manifest, sources

assert biobert_tf.load and manifest.load() and sources.load()
from pathlib import Path
demo.write_corpus(Path(sys.argv[1]), demo.SEED)
sys.argv[1:] = ["--help"]
cli.main(["biobert", "--help"])
"""


def test_nothing_is_fetched_unasked(tmp_path):
    """The package, its commands and the demo's corpus, without a socket."""
    done = subprocess.run(
        [sys.executable, "-c", CLOSED, str(tmp_path / "data")],
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "data").is_dir()


if __name__ == "__main__":
    write([*sys.path, *sys.argv[1:]])
