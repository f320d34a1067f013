# SPDX-License-Identifier: Apache-2.0
"""`hf://owner/name`: models of the Hugging Face Hub, without network, from a cache.

The cache is laid out as huggingface_hub lays it out, and the real package reads it.
"""

import errno
import os
import subprocess
import sys
from pathlib import Path

import ner_toys
import pytest

import biobert_tf
from biobert_tf import checkpoints
from biobert_tf.checkpoints import convert, hub
from biobert_tf.cli import main as cli
from biobert_tf.common.errors import InputError
from biobert_tf.common.settings import DeviceConfig
from biobert_tf.ner.problem import NER

COMMIT = "0123456789abcdef0123456789abcdef01234567"
OTHER = "fedcba9876543210fedcba9876543210fedcba98"


@pytest.fixture
def package():
    why = "huggingface_hub is not installed"
    pytest.importorskip("huggingface_hub.constants", reason=why)
    pytest.importorskip("huggingface_hub.errors", reason=why)
    return pytest.importorskip("huggingface_hub", reason=why)


@pytest.fixture(params=["offline", "no answer"])
def cache(request, tmp_path, monkeypatch, package):
    """An empty cache of a computer without network, which may know that or not."""
    is_known = request.param == "offline"
    monkeypatch.setattr(package.constants, "HF_HUB_OFFLINE", is_known)
    monkeypatch.setattr(package.constants, "ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr(package.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    hub._downloaded.cache_clear()
    yield tmp_path / "hub"
    hub._downloaded.cache_clear()


@pytest.fixture
def model(tmp_path):
    """The files of a model as Transformers saves them."""
    released = ner_toys.write_model(tmp_path / "released")
    convert.convert(released, tmp_path / "model")
    return tmp_path / "model"


def put(cache, files, commit=COMMIT, revision="main", name="dmis-lab/biobert-v1.1"):
    """Stores files as a snapshot: links to blobs, and a reference to the commit."""
    folder = cache / f"models--{name.replace('/', '--')}"
    snapshot = folder / "snapshots" / commit
    for part in (folder / "blobs", snapshot, (folder / "refs" / revision).parent):
        part.mkdir(parents=True, exist_ok=True)
    (folder / "refs" / revision).write_text(commit)
    for number, file in enumerate(files):
        blob = folder / "blobs" / f"{commit[:8]}{number}"
        blob.write_bytes(file.read_bytes())
        (snapshot / file.name).symlink_to(os.path.relpath(blob, snapshot))
    return snapshot


def test_a_model_of_the_cache(cache, model):
    put(cache, model.iterdir())
    device = DeviceConfig(strategy="cpu")
    ours = biobert_tf.load("hf://dmis-lab/biobert-v1.1", device=device)
    wanted = biobert_tf.load(model, device=device)
    assert (ours.kind, ours.labels) == (wanted.kind, wanted.labels)
    assert ours.annotate(["Liver cancer"]) == wanted.annotate(["Liver cancer"])
    assert ours.embed(["Liver"]).tolist() == wanted.embed(["Liver"]).tolist()


@pytest.mark.parametrize("cache", ["offline"], indirect=True)  # else much patience
@pytest.mark.parametrize("revision", ["v2", "refs/pr/3", OTHER])
def test_a_revision(cache, model, tmp_path, revision):
    put(cache, model.iterdir())
    snapshot = put(cache, model.iterdir(), OTHER, "v2")
    put(cache, [], OTHER, "refs/pr/3")
    path = Path(f"hf://dmis-lab/biobert-v1.1@{revision}")
    assert checkpoints.locate(path).folder == snapshot


def test_only_what_is_read_is_downloaded(monkeypatch, package, model, tmp_path):
    """Weights of torch are asked for only if there are no others."""
    asked = []

    def snapshot_download(name, revision, allow_patterns):
        asked.append((name, revision, allow_patterns))
        if "pytorch_model.bin" in allow_patterns:
            (model / "pytorch_model.bin").touch()
        return str(model)

    monkeypatch.setattr(package, "snapshot_download", snapshot_download)
    hub._downloaded.cache_clear()
    assert hub.opened(Path("hf://a/b@v1")) == model
    assert hub.opened(Path("hf:/a/b@v1")) == model
    [(name, revision, patterns)] = asked
    assert (name, revision) == ("a/b", "v1")
    assert {"config.json", "vocab.txt", "model.safetensors"} <= {*patterns}
    assert "pytorch_model.bin" not in patterns
    (model / "model.safetensors").unlink()
    assert hub.opened(Path("hf://a/c")) == model
    assert [patterns for *_, patterns in asked[-1:]] == [("pytorch_model.bin",)]
    hub._downloaded.cache_clear()


def test_nothing_in_the_cache(cache):
    with pytest.raises(InputError) as caught:
        biobert_tf.load("hf://dmis-lab/biobert-v1.1")
    assert str(caught.value) == (
        "hf://dmis-lab/biobert-v1.1: it is not in the cache, and the Hub cannot be "
        "reached"
    )


def test_a_part_in_the_cache(cache, model):
    put(cache, [model / "config.json"])
    with pytest.raises(InputError, match=r"(?s)^hf://dmis-lab/biobert-v1.1: [^\n]+$"):
        biobert_tf.load("hf://dmis-lab/biobert-v1.1")


@pytest.mark.parametrize("name", ["bert", "a/b/c", "a/b@", "a b/c", ""])
def test_what_is_no_name(name):
    with pytest.raises(InputError, match="want hf://owner/name or hf://owner/name@rev"):
        biobert_tf.load(f"hf://{name}")


def failing(monkeypatch, package, error):
    """Lets every download fail."""

    def snapshot_download(*_, **__):
        raise error

    monkeypatch.setattr(package, "snapshot_download", snapshot_download)


@pytest.mark.parametrize(
    ("kind", "name", "problem"),
    [
        (
            *("RepositoryNotFoundError", "a/none"),
            "the Hub has no such model; for a private one set HF_TOKEN",
        ),
        ("GatedRepoError", "a/none", "you need access to it; then set HF_TOKEN"),
        ("RevisionNotFoundError", "a/none@v9", "the model has no revision v9"),
        ("RevisionNotFoundError", "a/none", "the model has no revision main"),
    ],
)
def test_what_the_hub_does_not_give(monkeypatch, package, kind, name, problem):
    error = getattr(package.errors, kind)
    failing(monkeypatch, package, error.__new__(error))
    with pytest.raises(InputError) as caught:
        biobert_tf.load(f"hf://{name}")
    assert str(caught.value) == f"hf://{name}: {problem}"


class ProxyError(Exception):
    """Like those of HTTP libraries, neither an `OSError` nor a `ValueError`."""


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ProxyError("407 Proxy\nAuthentication"), "407 Proxy"),
        (ProxyError(), "ProxyError"),
        (TimeoutError(), "TimeoutError"),
        (TimeoutError("\nlate"), "late"),
        (RuntimeError("Data processing error"), "Data processing error"),
        (OSError(28), "28"),
        (ValueError("bad name"), "bad name"),
    ],
)
def test_a_download_that_fails(monkeypatch, package, error, reason):
    failing(monkeypatch, package, error)
    with pytest.raises(InputError) as caught:
        biobert_tf.load("hf://a/b")
    assert str(caught.value) == f"hf://a/b: cannot be downloaded: {reason}"


@pytest.mark.parametrize("name", ["ProxyError", "ReadTimeout"])
def test_errors_of_the_http_library(monkeypatch, package, name):
    http = pytest.importorskip("httpx2", reason="huggingface_hub has no httpx2")
    failing(monkeypatch, package, getattr(http, name)("no answer"))
    with pytest.raises(InputError, match=r"^hf://a/b: cannot be downloaded: no answer"):
        biobert_tf.load("hf://a/b")


def test_a_disk_that_is_full(monkeypatch, package, tmp_path):
    text = os.strerror(errno.ENOSPC)
    failing(monkeypatch, package, OSError(errno.ENOSPC, text, str(tmp_path / "blob")))
    with pytest.raises(InputError, match=r"blob: the disk is full: needs more than"):
        biobert_tf.load("hf://a/b")
    failing(monkeypatch, package, RuntimeError(f"Data processing error: {text}"))
    with pytest.raises(InputError, match=r"^the disk is full; make room"):
        biobert_tf.load("hf://a/b")


def test_the_name_is_shown_as_it_was_given(monkeypatch, package, model):
    monkeypatch.setattr(package, "snapshot_download", lambda *_, **__: str(model))
    hub._downloaded.cache_clear()
    loaded = biobert_tf.load("hf://a/b@v1")
    assert repr(loaded) == f"Model(path='hf://a/b@v1', kind={loaded.kind!r})"
    assert "<bdi>hf://a/b@v1</bdi>" in loaded._repr_html_()
    with pytest.raises(InputError, match=r"^hf://a/b@v1: cannot classify") as caught:
        loaded.classify(["x"])
    assert caught.value.file == "hf://a/b@v1"
    hub._downloaded.cache_clear()


def test_a_job_knows_the_commit_of_its_model(cache, model, tmp_path):
    """A folder that is half annotated is not finished with a newer model."""
    put(cache, model.iterdir())
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.txt").write_text("Liver cancer")
    words = [f"--input={tmp_path / 'in'}", f"--output={tmp_path / 'out'}"]
    words += ["--model=hf://dmis-lab/biobert-v1.1", "--strategy=cpu"]
    cli.annotate(["biobert annotate", *words, "--output_format=jsonl"])
    cli.annotate(["biobert annotate", *words, "--output_format=jsonl"])
    put(cache, model.iterdir(), OTHER)
    hub._downloaded.cache_clear()
    with pytest.raises(InputError, match="was written with other settings"):
        cli.annotate(["biobert annotate", *words, "--output_format=jsonl"])


def test_without_the_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(InputError, match=r"needs the package huggingface_hub: pip"):
        biobert_tf.load("hf://a/unknown")


def test_a_name_of_the_hub_without_its_scheme(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError) as caught:
        biobert_tf.load("dmis-lab/biobert-v1.1")
    assert str(caught.value) == (
        "dmis-lab/biobert-v1.1: no such checkpoint; there is no folder dmis-lab; if it "
        "is a model of the Hugging Face Hub, give hf://dmis-lab/biobert-v1.1 after "
        "pip install '.[huggingface]', or download its files and give their folder"
    )
    with pytest.raises(InputError, match=r"of run_ner\.py; .* Hub, give hf://me/ner a"):
        NER.load(Path("me/ner"), DeviceConfig())
    (tmp_path / "dmis-lab").mkdir()
    with pytest.raises(InputError, match=r"dmis-lab holds none$"):
        biobert_tf.load("dmis-lab/biobert-v1.1")


def test_a_command_line(tmp_path, model, package):
    """`--init_checkpoint=hf://...`, in a process with the environment of a user."""
    put(tmp_path / "home" / "hub", model.iterdir(), name="a/b")
    (tmp_path / "in.txt").write_text("Liver cancer\n")
    code = "import sys; from biobert_tf.cli import main; main.main(sys.argv)"
    flags = ("--init_checkpoint=hf://a/b", "--max_seq_length=12", "--layers=-1")
    files = ("--input_file=in.txt", "--output_file=out.jsonl")
    done = subprocess.run(
        [sys.executable, "-c", code, "extract-features", *flags, *files],
        env={**os.environ, "HF_HOME": str(tmp_path / "home"), "HF_HUB_OFFLINE": "1"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out.jsonl").stat().st_size > 0
