import hashlib

import pytest
from file_server import Served, closed_address, serving

from biobert_tf.common.errors import InputError
from biobert_tf.published import checksums
from biobert_tf.published.transfer import Fetcher, Patience, Remote, UnreachableError

pytest.importorskip("pooch", reason="the extra `download` is not installed")

CONTENT = bytes(range(256)) * 2000
QUICK = Patience(tries=3, timeout_seconds=0.5, wait_seconds=0.001)
SHA256 = f"sha256:{hashlib.sha256(CONTENT).hexdigest()}"
OTHER = f"sha256:{hashlib.sha256(b'other').hexdigest()}"


def fetch(folder, *addresses, checksum=SHA256, name="a/file.bin"):
    return Fetcher(folder, QUICK).fetch(Remote(name, addresses, checksum))


def test_a_whole_file_appears_alone(tmp_path):
    with serving({"/f": Served(CONTENT)}) as server:
        path = fetch(tmp_path, f"{server.address}/f")
    assert path == tmp_path / "a" / "file.bin"
    assert path.read_bytes() == CONTENT
    assert list(path.parent.iterdir()) == [path]


def test_a_file_that_is_there_and_right_is_not_fetched(tmp_path):
    with serving({"/f": Served(CONTENT)}) as server:
        fetch(tmp_path, f"{server.address}/f")
        fetch(tmp_path, f"{server.address}/f")
        fetch(tmp_path, f"{server.address}/f", checksum="")
    assert len(server.requests) == 1


def test_a_file_that_is_there_and_wrong_is_fetched_again(tmp_path):
    (tmp_path / "file.bin").write_bytes(b"old")
    with serving({"/f": Served(CONTENT)}) as server:
        path = fetch(tmp_path, f"{server.address}/f", name="file.bin")
    assert path.read_bytes() == CONTENT


@pytest.mark.parametrize("checksum", [SHA256, ""])
@pytest.mark.parametrize("ranges", [True, False])
def test_a_transfer_that_is_cut_off_resumes(tmp_path, ranges, checksum):
    file = Served(CONTENT, ranges=ranges, cuts=[100_000, 200_000])
    with serving({"/f": file}) as server:
        path = fetch(tmp_path, f"{server.address}/f", checksum=checksum)
    assert path.read_bytes() == CONTENT
    asked = [asked for _, asked in server.requests]
    assert asked[:2] == [None, "bytes=100000-"]
    assert asked[2] == ("bytes=300000-" if ranges else "bytes=200000-")


def test_a_later_command_resumes(tmp_path):
    file = Served(CONTENT, cuts=[1000, 0, 0, 0])
    with serving({"/f": file}) as server:
        with pytest.raises(UnreachableError, match="cut off"):
            fetch(tmp_path, f"{server.address}/f")
        assert not (tmp_path / "a" / "file.bin").exists()
        fetch(tmp_path, f"{server.address}/f")
    assert server.requests[-1] == ("/f", "bytes=1000-")


def test_parts_of_two_versions_are_not_put_together(tmp_path):
    first = Served(b"x" * len(CONTENT), etag='"0"', cuts=[1000, 0, 0, 0])
    with serving({"/f": first}) as server:
        with pytest.raises(UnreachableError):
            fetch(tmp_path, f"{server.address}/f", checksum="")
        server.files["/f"] = Served(CONTENT, etag='"1"')
        path = fetch(tmp_path, f"{server.address}/f", checksum="")
    assert server.requests[-1] == ("/f", "bytes=1000-")
    assert path.read_bytes() == CONTENT


def test_parts_that_give_a_wrong_file_are_fetched_once_more_from_the_start(tmp_path):
    part = tmp_path / "a" / "file.bin.part"
    part.parent.mkdir()
    part.write_bytes(b"x" * 1000)
    with serving({"/f": Served(CONTENT, etag=None)}) as server:
        path = fetch(tmp_path, f"{server.address}/f")
    assert [asked for _, asked in server.requests] == ["bytes=1000-", None]
    assert path.read_bytes() == CONTENT


def test_a_part_of_unknown_origin_is_not_used_without_a_checksum(tmp_path):
    part = tmp_path / "a" / "file.bin.part"
    part.parent.mkdir()
    part.write_bytes(b"x" * 1000)
    with serving({"/f": Served(CONTENT)}) as server:
        path = fetch(tmp_path, f"{server.address}/f", checksum="")
    assert path.read_bytes() == CONTENT


@pytest.mark.parametrize("extra", [b"", b"x"])
def test_a_part_that_is_whole_or_too_long(tmp_path, extra):
    part = tmp_path / "a" / "file.bin.part"
    part.parent.mkdir()
    part.write_bytes(CONTENT + extra)
    with serving({"/f": Served(CONTENT)}) as server:
        path = fetch(tmp_path, f"{server.address}/f")
    assert path.read_bytes() == CONTENT
    assert len(server.requests) == (2 if extra else 1)


def test_a_server_that_does_not_say_the_length(tmp_path):
    with serving({"/f": Served(CONTENT, has_length=False)}) as server:
        path = fetch(tmp_path, f"{server.address}/f")
    assert path.read_bytes() == CONTENT


def test_passing_errors_are_tried_again(tmp_path):
    with serving({"/f": Served(CONTENT, statuses=[503, 429])}) as server:
        fetch(tmp_path, f"{server.address}/f")
    assert len(server.requests) == 3


def test_other_errors_are_not(tmp_path):
    with serving({}) as server, pytest.raises(UnreachableError, match="says 404"):
        fetch(tmp_path, f"{server.address}/f")
    assert len(server.requests) == 1


def test_a_silent_server(tmp_path):
    silent = Served(CONTENT, is_silent=True)
    with serving({"/f": silent, "/g": Served(CONTENT)}) as server:
        fetcher = Fetcher(tmp_path, QUICK)
        urls = (f"{server.address}/f",)
        with pytest.raises(UnreachableError, match=r"no answer for 0\.5 seconds"):
            fetcher.fetch(Remote("f", urls))
        assert len(server.requests) == QUICK.tries
        # It is not asked again.
        with pytest.raises(UnreachableError, match="has not answered before"):
            fetcher.fetch(Remote("g", (f"{server.address}/g",)))
        assert len(server.requests) == QUICK.tries


def test_the_next_address_is_tried(tmp_path):
    files = {"/wrong": Served(b"other"), "/right": Served(CONTENT)}
    with serving(files) as server:
        names = ("/missing", "/wrong", "/right")
        addresses = [closed_address(), *(server.address + name for name in names)]
        path = fetch(tmp_path, *addresses)
    assert path.read_bytes() == CONTENT
    assert [name for name, _ in server.requests] == list(names)


def test_a_mirror_continues_the_part_of_another(tmp_path):
    first = Served(CONTENT, cuts=[1000, 0, 0, 0])
    with serving({"/f": first, "/g": Served(CONTENT, etag='"2"')}) as server:
        path = fetch(tmp_path, f"{server.address}/f", f"{server.address}/g")
    assert path.read_bytes() == CONTENT
    assert server.requests[-1] == ("/g", "bytes=1000-")


@pytest.mark.parametrize("checksum", [OTHER, "git:" + "0" * 40])
def test_a_file_with_another_checksum_is_not_kept(tmp_path, checksum):
    with (
        serving({"/f": Served(CONTENT)}) as server,
        pytest.raises(UnreachableError, match="another checksum"),
    ):
        fetch(tmp_path, f"{server.address}/f", checksum=checksum)
    assert list((tmp_path / "a").iterdir()) == []


def test_the_error_names_every_address(tmp_path):
    address = closed_address()
    with pytest.raises(UnreachableError, match="no connection") as caught:
        fetch(tmp_path, f"{address}/f", "http://127.0.0.1:bad/g")
    assert f"{address}/f: " in str(caught.value) and ":bad/g: " in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "a").write_text("a file")
    with pytest.raises(InputError, match="cannot be written"):
        fetch(tmp_path, "http://127.0.0.1:1/f")


def test_the_checksum_of_git(tmp_path):
    """`printf hello | git hash-object --stdin`"""
    path = tmp_path / "hello"
    path.write_text("hello")
    known = "git:b6fc4c620b67d95f953a5c1c1230aaab5db5a1b0"
    assert checksums.of(path, "git") == known
    assert checksums.agrees(path, known) and checksums.agrees(path, "")
    assert not checksums.agrees(path, SHA256)
