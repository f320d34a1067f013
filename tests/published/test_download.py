import dataclasses
import hashlib
import tarfile

import pytest
from file_server import Served, closed_address, serving

from biobert_tf.cli import main
from biobert_tf.common.errors import InputError
from biobert_tf.published import download, sources
from biobert_tf.published.sources import Source, Way
from biobert_tf.published.transfer import Patience, Remote

pytest.importorskip("pooch", reason="the extra `download` is not installed")

QUICK = Patience(tries=2, timeout_seconds=5, wait_seconds=0.001)
TRAIN, DEVEL, TEST = b"a\tB\n\n", b"b\tO\n\n", b"c\tO\n\n"
FILES = {"train.tsv": TRAIN, "devel.tsv": DEVEL, "test.tsv": TEST}


def sha256(content):
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def way(address, served=FILES, **others):
    """The files of a set, served below an address."""
    remotes = {
        name: Remote(f"o/{name}", (f"{address}/{name}",), sha256(content))
        for name, content in served.items()
    }
    return Way(
        **{"title": "origin", "inside": "", "form": "as it is", "differs": ""} | others,
        remotes=remotes,
    )


def packed(address, name="all.tar.gz", inside=""):
    remotes = {"": Remote(name, (f"{address}/{name}",))}
    return Way("archive", remotes, inside, "as it is", "")


def source(*ways, **others):
    whole = {**FILES, "train_dev.tsv": TRAIN + DEVEL}
    values = {
        "name": "toy",
        "about": "A toy.",
        "licence": "None needed.",
        "folder": "ner/toy",
        "files": {name: sha256(content) for name, content in whole.items()},
        "joined": {"train_dev.tsv": ("train.tsv", "devel.tsv")},
        "by_hand": "",
    }
    return Source(**values | others, ways=ways)


def served(files=FILES):
    return {f"/{name}": Served(content) for name, content in files.items()}


def archive(tmp_path, files, name="all.tar.gz"):
    with tarfile.open(tmp_path / name, "w:gz") as packed_files:
        for member, content in files.items():
            path = tmp_path / "member"
            path.write_bytes(content)
            packed_files.add(path, member)
    return (tmp_path / name).read_bytes()


def held(folder):
    """The files below a folder."""
    return sorted(
        p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()
    )


def test_a_set_is_whole_and_says_where_it_is_from(tmp_path, capsys):
    with serving(served()) as server:
        wanted = [source(way(server.address))]
        summary = download.download(wanted, tmp_path, QUICK)
        assert summary.fetched == ("toy",)
        again = download.download(wanted, tmp_path, QUICK)
    assert again.ready == ("toy",) and len(server.requests) == 3
    names = ["ORIGIN.md", "devel.tsv", "test.tsv", "train.tsv", "train_dev.tsv"]
    assert held(tmp_path) == [f"ner/toy/{name}" for name in names]
    origin = (tmp_path / "ner" / "toy" / "ORIGIN.md").read_text()
    assert "licence: None needed." in origin and sha256(TEST) in origin
    assert "licence: None needed." in capsys.readouterr().out


def test_labels_lose_their_types(tmp_path):
    typed = {**FILES, "train.tsv": b"a\tB-Disease\n\n"}
    with serving(served(typed)) as server:
        wanted = source(way(server.address, typed, form="untyped"))
        download.download([wanted], tmp_path, QUICK)
    assert (tmp_path / "ner" / "toy" / "train.tsv").read_bytes() == TRAIN


def test_nothing_appears_of_a_set_that_is_incomplete(tmp_path, capsys):
    files = served()
    del files["/test.tsv"]
    with serving(files) as server:
        wanted = source(way(server.address))
        assert download.download([wanted], tmp_path, QUICK).failed == ("toy",)
        assert held(tmp_path / "ner") == []
        said = capsys.readouterr().out
        assert (
            f"{server.address}/test.tsv\n    -> {tmp_path}/downloads/o/test.tsv" in said
        )
        # What has come is not fetched again.
        server.files["/test.tsv"] = Served(TEST)
        assert download.download([wanted], tmp_path, QUICK).fetched == ("toy",)
    assert [name for name, _ in server.requests].count("/train.tsv") == 1


def test_offline_files_are_taken_from_where_the_message_says(tmp_path):
    wanted = source(way(closed_address()))
    assert download.download([wanted], tmp_path, QUICK).failed == ("toy",)
    for name, content in FILES.items():
        path = tmp_path / "downloads" / "o" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    assert download.download([wanted], tmp_path, QUICK).fetched == ("toy",)
    # What the user has put there is the user's.
    assert (tmp_path / "downloads" / "o" / "test.tsv").exists()


def test_the_next_way_is_taken(tmp_path):
    content = archive(tmp_path, {f"data/NER/toy/{n}": c for n, c in FILES.items()})
    with serving({"/all.tar.gz": Served(content)}) as server:
        ways = way(server.address), packed(server.address, inside="NER/toy")
        wanted = [source(*ways), source(*ways, name="toy2", folder="ner/toy2")]
        summary = download.download(wanted, tmp_path / "to", QUICK)
    assert summary.fetched == ("toy", "toy2")
    # One transfer for two sets; then the archive is removed.
    assert [name for name, _ in server.requests].count("/all.tar.gz") == 1
    assert sorted(p.name for p in (tmp_path / "to").iterdir()) == ["ner"]


def test_an_archive_with_other_files_is_not_taken(tmp_path, capsys):
    other = {**FILES, "test.tsv": b"c\tB\n\n"}
    content = archive(tmp_path, {f"x/{name}": c for name, c in other.items()})
    with serving({"/all.tar.gz": Served(content)}) as server:
        wanted = source(packed(server.address))
        summary = download.download([wanted], tmp_path / "to", QUICK)
    assert summary.failed == ("toy",)
    assert "test.tsv of archive differ from the known files" in capsys.readouterr().out
    assert not (tmp_path / "to" / "ner" / "toy").exists()


def test_an_archive_that_leaves_the_folder(tmp_path, capsys):
    content = archive(tmp_path, {**FILES, "../../evil": b"x"})
    with serving({"/all.tar.gz": Served(content)}) as server:
        wanted = source(packed(server.address))
        summary = download.download([wanted], tmp_path / "to", QUICK)
    assert summary.failed == ("toy",)
    assert "leaves the folder" in capsys.readouterr().out
    assert not list(tmp_path.rglob("evil"))


def test_a_checkpoint(tmp_path):
    names = ["bert_config.json", "vocab.txt", "model.ckpt-1.index", "model.ckpt-1.data"]
    content = archive(tmp_path, {f"biobert/{name}": b"x" for name in names})
    patterns = ["bert_config.json", "vocab.txt", "*.index", "*.data"]
    with serving({"/all.tar.gz": Served(content)}) as server:
        wanted = source(
            packed(server.address),
            files=dict.fromkeys(patterns, ""),
            joined={},
            folder="weights/biobert_v1",
        )
        for outcome in ("fetched", "ready"):
            summary = download.download([wanted], tmp_path / "to", QUICK)
            assert getattr(summary, outcome) == ("toy",)
    folder = tmp_path / "to" / "weights" / "biobert_v1"
    assert held(folder) == sorted(["ORIGIN.md", *names])
    assert "not verified" in (folder / "ORIGIN.md").read_text()


def test_a_way_with_other_files_is_told_and_kept(tmp_path, capsys):
    other = {**FILES, "test.tsv": b"c\tB\n\n"}
    with serving(served(other)) as server:
        wanted = source(way(server.address, other, differs="its words differ"))
        assert download.download([wanted], tmp_path, QUICK).fetched == ("toy",)
        assert download.download([wanted], tmp_path, QUICK).ready == ("toy",)
    assert "note that its words differ" in capsys.readouterr().out
    # Its files are not right if they are changed.
    (tmp_path / "ner" / "toy" / "test.tsv").write_bytes(b"d\tB\n\n")
    assert download.missing(wanted, tmp_path / "ner" / "toy") == ["test.tsv"]


def test_files_of_the_user_are_not_replaced(tmp_path, capsys):
    folder = tmp_path / "ner" / "toy"
    folder.mkdir(parents=True)
    (folder / "train.tsv").write_bytes(b"mine")
    with serving(served()) as server:
        wanted = source(way(server.address))
        assert download.download([wanted], tmp_path, QUICK).failed == ("toy",)
        assert server.requests == []
    assert (folder / "train.tsv").read_bytes() == b"mine"
    assert "train.tsv, devel.tsv, test.tsv, train_dev.tsv are missing or differ" in (
        capsys.readouterr().out
    )


def test_one_that_fails_costs_itself(tmp_path):
    with serving(served()) as server:
        good = source(way(server.address), name="good", folder="ner/good")
        bad = source(way(f"{server.address}/missing"), name="bad")
        summary = download.download([bad, good], tmp_path, QUICK)
    assert (summary.failed, summary.fetched) == (("bad",), ("good",))


def test_what_is_to_be_done_by_hand(tmp_path, capsys):
    wanted = dataclasses.replace(source(), by_hand="Register.")
    assert download.download([wanted], tmp_path, QUICK).by_hand == ("toy",)
    said = capsys.readouterr().out
    assert "Register." in said and str(tmp_path / "ner" / "toy" / "test.tsv") in said


def run(*words):
    main.main(["biobert", "download", *map(str, words)])


def test_the_command(tmp_path, monkeypatch, capsys):
    with serving(served()) as server:
        good = source(way(server.address), name="good")
        register = source(name="register", folder="qa/x", by_hand="Register.")
        known = {each.name: each for each in (good, register)}
        monkeypatch.setattr(sources, "load", lambda: known)
        monkeypatch.setattr(sources.manifest, "load", lambda: _NoColumns)
        run("all", f"--to={tmp_path}")
        with pytest.raises(InputError, match="register: not fetched"):
            run("good", "register", f"--to={tmp_path}")
        with pytest.raises(InputError, match="--to must be given"):
            run("good")
        capsys.readouterr()
        run(f"--to={tmp_path}")
    first, second = capsys.readouterr().out.splitlines()
    assert first.split()[:2] == ["good", "there"]
    assert second.split()[:3] == ["register", "by", "hand"]


class _NoColumns:
    columns = ()


@pytest.mark.data
@pytest.mark.parametrize(
    "name", ["NCBI-disease", "BC5CDR-disease", "BC2GM", "GAD", "BioASQ-4b", "squad"]
)
def test_the_real_files_are_the_known_ones(data, name):
    """All but those that are not at hand."""
    known = sources.load()[name]
    lacking = download.missing(known, data / known.folder)
    assert all(not (data / known.folder / each).exists() for each in lacking)
    assert set(lacking) < set(known.files)


@pytest.mark.data
def test_a_typed_set_becomes_the_originals(data, tmp_path):
    """The real test file with types, as another program would have put them."""
    from biobert_tf.published import untyped

    real = data / "ner" / "NCBI-disease" / "test.tsv"
    lines = real.read_text("utf-8").split("\n")
    typed = [
        line + "-Disease" if line[-2:] in ("\tB", "\tI") else line for line in lines
    ]
    (tmp_path / "test.tsv").write_text("\n".join(typed), "utf-8")
    assert (tmp_path / "test.tsv").read_bytes() != real.read_bytes()
    untyped.convert(tmp_path / "test.tsv", tmp_path / "made.tsv")
    assert (tmp_path / "made.tsv").read_bytes() == real.read_bytes()
