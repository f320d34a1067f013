import io
import shutil
import stat
import tarfile
import zipfile

import pytest

from biobert_tf.common import room, unpacked_size
from biobert_tf.common.errors import InputError
from biobert_tf.published import unpacking


def tar(path, *members):
    """Writes a .tar.gz; members are names, or TarInfo objects of other kinds."""
    with tarfile.open(path, "w:gz") as archive:
        for member in members:
            if isinstance(member, str):
                info = tarfile.TarInfo(member)
                info.size = 5
                archive.addfile(info, io.BytesIO(b"hello"))
            else:
                archive.addfile(member)
    return path


def special(name, kind, link=""):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


def packed_zip(path, *names, mode=0):
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16
            archive.writestr(info, b"hello")
    return path


class Zeros(io.RawIOBase):
    """So many zeros, without the memory."""

    def __init__(self, size):
        super().__init__()
        self.left = size

    def readable(self):
        return True

    def read(self, size=-1):
        size = self.left if size < 0 else min(size, self.left)
        self.left -= size
        return bytes(size)


def bomb(path, size):
    """Writes an archive that unpacks to a thousand times its size."""
    if path.suffix == ".zip":
        with (
            zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
            archive.open("zeros", "w") as member,
        ):
            shutil.copyfileobj(Zeros(size), member, 2**20)
        return path
    info = tarfile.TarInfo("zeros")
    info.size = size
    with tarfile.open(path, "w:gz") as archive:
        archive.addfile(info, Zeros(size))
    return path


def refused(archive, target, match):
    with pytest.raises(InputError, match=match) as caught:
        unpacking.unpack(archive, target)
    assert str(archive) in str(caught.value)
    assert not target.exists() or not list(target.iterdir())


@pytest.mark.parametrize("make", [tar, packed_zip])
def test_files_and_folders(tmp_path, make):
    ending = ".tar.gz" if make is tar else ".zip"
    names = ["a/b.txt", "c.txt", "a/._b.txt"]
    unpacking.unpack(make(tmp_path / f"x{ending}", *names), tmp_path / "to")
    found = sorted(p for p in (tmp_path / "to").rglob("*") if p.is_file())
    assert [p.relative_to(tmp_path / "to").as_posix() for p in found] == names[:2]
    assert all(path.read_text() == "hello" for path in found)


@pytest.mark.parametrize("make", [tar, packed_zip])
@pytest.mark.parametrize(
    ("name", "match"),
    [
        ("../evil", "leaves the folder"),
        ("a/../../evil", "leaves the folder"),
        ("a/..", "leaves the folder"),
        ("/evil", "absolute"),
        ("..\\evil", "leaves the folder|absolute"),
        ("C:evil", "absolute"),
    ],
)
def test_names_that_leave_the_folder(tmp_path, make, name, match):
    ending = ".tar.gz" if make is tar else ".zip"
    archive = make(tmp_path / f"x{ending}", "good", name)
    refused(archive, tmp_path / "in" / "to", match)
    assert sorted(path.name for path in tmp_path.rglob("*evil*")) == []


@pytest.mark.parametrize(
    "member",
    [
        special("link", tarfile.SYMTYPE, "/etc"),
        special("link", tarfile.SYMTYPE, "good"),
        special("link", tarfile.LNKTYPE, "good"),
        special("device", tarfile.CHRTYPE),
        special("pipe", tarfile.FIFOTYPE),
    ],
    ids=lambda member: f"{member.name}-{member.linkname}",
)
def test_links_and_devices(tmp_path, member):
    archive = tar(tmp_path / "x.tar.gz", "good", member)
    refused(archive, tmp_path / "to", "link or a device")


def test_links_in_a_zip(tmp_path):
    archive = packed_zip(tmp_path / "x.zip", "link", mode=stat.S_IFLNK | 0o777)
    refused(archive, tmp_path / "to", "link or a device")


def test_a_name_without_a_character(tmp_path):
    """`ZipInfo.is_dir` fails for it; found by a fuzzer."""
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w") as packed:
        packed.writestr("good", "hello")
        named = zipfile.ZipInfo("x")
        named.filename = ""
        with packed.open(named, "w") as stream:
            stream.write(b"hello")
    refused(path, tmp_path / "to", "'' has a name that is none")


def test_a_name_twice(tmp_path):
    archive = tar(tmp_path / "x.tar.gz", "a", "a")
    with pytest.raises(InputError, match="holds a twice"):
        unpacking.unpack(archive, tmp_path / "to")


@pytest.mark.parametrize("make", [tar, packed_zip])
def test_a_damaged_archive(tmp_path, make):
    ending = ".tar.gz" if make is tar else ".zip"
    archive = make(tmp_path / f"x{ending}", *(f"file{i}" for i in range(200)))
    archive.write_bytes(archive.read_bytes()[: archive.stat().st_size // 2])
    refused(archive, tmp_path / "to", "cannot be unpacked.*download it again")


def test_a_damaged_member_of_a_zip(tmp_path):
    archive = packed_zip(tmp_path / "x.zip", "a")
    archive.write_bytes(archive.read_bytes().replace(b"hello", b"jello"))
    with pytest.raises(InputError, match="CRC"):
        unpacking.unpack(archive, tmp_path / "to")


@pytest.mark.parametrize("kind", [".tar.gz", ".zip"])
def test_a_small_archive_of_much(tmp_path, kind, monkeypatch):
    archive = bomb(tmp_path / f"x{kind}", 11_000_000)
    assert archive.stat().st_size < 20_000
    unpacking.unpack(archive, tmp_path / "fits")
    assert (tmp_path / "fits" / "zeros").stat().st_size == 11_000_000
    # Instead of 1 GB.
    monkeypatch.setattr(unpacked_size, "_ALWAYS", 10_000_000)
    match = (
        r"refused: its 1\d\.\d kB unpack to more than 10\.0 MB, .* unpack it by hand"
    )
    refused(archive, tmp_path / "to", match)


@pytest.mark.parametrize("make", [tar, packed_zip])
def test_a_disk_that_is_too_small(tmp_path, make, monkeypatch):
    ending = ".tar.gz" if make is tar else ".zip"
    archive = make(tmp_path / f"x{ending}", "a", "b")
    monkeypatch.setattr(room, "free_bytes", lambda path: 600)
    refused(
        archive, tmp_path / "to", "more than the 600 bytes that are free in .*/to; make"
    )


def test_members_without_content_count(tmp_path, monkeypatch):
    archive = packed_zip(tmp_path / "x.zip", *(f"{i}/" for i in range(1000)))
    monkeypatch.setattr(unpacked_size, "_ALWAYS", 100_000)
    monkeypatch.setattr(unpacked_size, "_MOST_PER_BYTE", 1)
    refused(archive, tmp_path / "to", "refused: its ")


def test_a_tar_is_read_no_further_than_allowed(tmp_path, monkeypatch):
    archive = tar(tmp_path / "x.tar.gz", *(f"{i}" for i in range(1000)))
    monkeypatch.setattr(unpacked_size, "_ALWAYS", 10_000)
    monkeypatch.setattr(unpacked_size, "_MOST_PER_BYTE", 1)
    read, of_tar = [], unpacking._of_tar
    monkeypatch.setattr(
        unpacking, "_of_tar", lambda *given: read.append(1) or of_tar(*given)
    )
    refused(archive, tmp_path / "to", "refused: its ")
    assert len(read) < 50


def test_no_archive(tmp_path):
    (tmp_path / "x.tar.gz").write_text("<html>not found</html>")
    refused(tmp_path / "x.tar.gz", tmp_path / "to", "cannot be unpacked")
