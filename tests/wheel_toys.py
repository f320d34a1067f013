"""Folders that look as pip leaves them."""

from collections.abc import Mapping
from pathlib import Path


def install(
    site: Path, name: str, version: str, files: Mapping[str, str] | None = None
) -> None:
    """Writes the files and records of a wheel into a folder for packages."""
    info = site / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    )
    rows = [f"{info.name}/METADATA,sha256=x,9", f"{info.name}/RECORD,,"]
    for path, text in (files or {}).items():
        (site / path).parent.mkdir(parents=True, exist_ok=True)
        (site / path).write_text(text)
        rows.append(f"{path},sha256=x,{len(text)}")
    (info / "RECORD").write_text("\n".join(rows) + "\n")
