"""A file system for Apache Beam whose URLs, `toy://...`, lie in a local folder."""

from pathlib import Path

from apache_beam.io.filesystem import FileMetadata
from apache_beam.io.localfilesystem import LocalFileSystem


class ToyFileSystem(LocalFileSystem):
    """As a store of objects: no folders, only names with slashes."""

    root: Path | None = None

    @classmethod
    def scheme(cls):
        return "toy"

    def has_dirs(self):
        return False

    def _path(self, url):
        path = Path(url.replace("toy://", f"{self.root}/"))
        path.parent.mkdir(parents=True, exist_ok=True)
        return str(path)

    def _list(self, url):
        for path in sorted(self.root.rglob("*")):
            if path.is_file():
                stat = path.stat()
                name = f"toy://{path.relative_to(self.root)}"
                yield FileMetadata(name, stat.st_size, stat.st_mtime)

    def open(self, url, *args, **kwargs):
        return super().open(self._path(url), *args, **kwargs)

    def create(self, url, *args, **kwargs):
        return super().create(self._path(url), *args, **kwargs)

    def exists(self, url):
        return super().exists(self._path(url))

    def metadata(self, url):
        stat = Path(self._path(url)).stat()
        return FileMetadata(url, stat.st_size, stat.st_mtime)

    def rename(self, sources, destinations):
        for source, destination in zip(sources, destinations, strict=True):
            Path(self._path(source)).replace(self._path(destination))

    def delete(self, urls):
        for url in urls:
            Path(self._path(url)).unlink()
