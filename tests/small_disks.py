"""Fills a small disk, so that tests see what a full one does."""

import os
import shutil


def fill(folder, left=0):
    """Leaves so many bytes free; returns the file that takes the others."""
    filler = folder / "filler"
    filler.unlink(missing_ok=True)
    with filler.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, shutil.disk_usage(folder).free - left)
    return filler
