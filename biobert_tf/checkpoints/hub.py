# SPDX-License-Identifier: Apache-2.0
"""Downloads models of the Hugging Face Hub, whose paths are `hf://owner/name@revision`.

The package huggingface_hub downloads, keeps and finds the files: its cache
(`HF_HOME`), its token (`HF_TOKEN`) and `HF_HUB_OFFLINE` count.
"""

import functools
import re
from pathlib import Path
from typing import Any, Final

from biobert_tf.checkpoints import huggingface
from biobert_tf.common import room
from biobert_tf.common.errors import InputError

SCHEME: Final = "hf:"
_NAME: Final = re.compile(r"(?P<name>[\w.-]+/[\w.-]+?)(@(?P<revision>.+))?")
_FILES: Final = (
    *("config.json", "vocab.txt", "tokenizer.json", "tokenizer_config.json"),
    *("labels.json", "settings.json"),
    *("model.safetensors", "model-*-of-*.safetensors"),
)
_TORCH_FILES: Final = ("pytorch_model.bin",)
_INSTALL: Final = "pip install '.[huggingface]'"


def opened(path: Path) -> Path:
    """Returns `path`, or for `hf://owner/name` the folder of the downloaded files.

    `Path` turns `hf://owner/name` into `hf:/owner/name`; both mean the same. Only the
    files that this package reads are downloaded, once per process. Weights of torch are
    downloaded only if there are no others.

    Raises:
        InputError: The package huggingface_hub is not installed; there is no such
            model; it is not in the cache and the Hub cannot be reached; or the download
            fails.
    """
    if path.parts[:1] != (SCHEME,):
        return path
    return _downloaded("/".join(path.parts[1:]))


def advice(path: Path) -> str:
    """Returns what to do if the path of no file looks like the name of a model."""
    if path.parent.exists() or not _NAME.fullmatch(str(path)):
        return ""
    return (
        f"; if it is a model of the Hugging Face Hub, give hf://{path} after "
        f"{_INSTALL}, or download its files and give their folder"
    )


@functools.cache
def _downloaded(model: str) -> Path:
    given = _NAME.fullmatch(model)
    url = f"hf://{model}"
    if given is None:
        raise InputError.at(
            url, None, "want hf://owner/name or hf://owner/name@revision"
        )
    folder = _snapshot(url, given["name"], given["revision"], _FILES)
    if not huggingface.is_checkpoint(folder):
        folder = _snapshot(url, given["name"], given["revision"], _TORCH_FILES)
    if not huggingface.is_checkpoint(folder):
        problem = f"no config.json with model.safetensors in its cache, {folder}"
        raise InputError.at(url, None, f"{problem}; the Hub has none, or is offline")
    return folder


def _snapshot(
    url: str, name: str, revision: str | None, names: tuple[str, ...]
) -> Path:
    hub = _huggingface_hub()
    try:
        return Path(
            hub.snapshot_download(name, revision=revision, allow_patterns=names)
        )
    except hub.errors.LocalEntryNotFoundError:
        problem = "it is not in the cache, and the Hub cannot be reached"
    except hub.errors.RevisionNotFoundError:
        problem = f"the model has no revision {revision or 'main'}"
    except hub.errors.GatedRepoError:
        problem = "you need access to it; then set HF_TOKEN"
    except hub.errors.RepositoryNotFoundError:
        problem = "the Hub has no such model; for a private one set HF_TOKEN"
    except Exception as error:  # also those of the HTTP library, whichever it is
        if full := room.explained(error):
            raise full from None
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        problem = f"cannot be downloaded: {reason}"
    raise InputError.at(url, None, problem)


def _huggingface_hub() -> Any:
    """Returns the module huggingface_hub, which is optional."""
    try:
        import huggingface_hub
        import huggingface_hub.errors
    except ImportError:
        raise InputError(
            f"hf:// needs the package huggingface_hub: {_INSTALL}; or download the "
            "files of the model and give their folder"
        ) from None
    return huggingface_hub
