# SPDX-License-Identifier: Apache-2.0
"""Installs biobert_tf: what it needs, pinned, and the `biobert` command."""

from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).parent
VERSION = next(
    line.split('"')[1]
    for line in (ROOT / "biobert_tf" / "common" / "version.py")
    .read_text("utf-8")
    .splitlines()
    if line.startswith("__version__")
)

# These four move together: one minor version of TensorFlow.
TENSORFLOW = "2.20"
# Version 1.33 of huggingface_hub fails offline if a revision is a commit. 2.4 is the
# version that is tested.
HUGGINGFACE = ["safetensors>=0.4,<1", "huggingface_hub>=2.4,<3"]
BEAM = ["apache-beam[dask]==2.77.0"]
FEATURES = ["pyarrow>=15"]
# Checks and names what is downloaded; it needs requests, platformdirs and packaging.
DOWNLOAD = ["pooch>=1.8,<2"]
OPENVINO = ["openvino>=2026.4,<2027"]
# TensorFlow 2.20 for TPUs ends the process at import beside libtpu 0.0.32 or later;
# this is the newest pair that does no harm on a TPU VM. libtpu is for Linux only, and
# pinned here, not in constraints.txt: a TPU VM has another version of it.
_LINUX = "; sys_platform == 'linux' and platform_machine == 'x86_64'"
TPU_CHECK = [
    f"{name}{_LINUX}" for name in ("jax==0.8.1", "jaxlib==0.8.1", "libtpu==0.0.30")
]
ONNX = ["tf2onnx==1.17.0", "onnx>=1.17,<2", "onnxruntime>=1.20,<2"]

setup(
    name="biobert_tf",
    version=VERSION,
    description="BioBERT in TensorFlow 2: NER, relation extraction, QA, pre-training",
    long_description=(ROOT / "README.md").read_text("utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.11,<3.14",
    # The demo vocabulary stands at the top of the repository, as BERT's do, and is
    # installed inside the package.
    packages=[
        "biobert_tf.vocab",
        *find_packages(include=["biobert_tf", "biobert_tf.*"]),
    ],
    package_dir={"biobert_tf.vocab": "vocab"},
    package_data={
        "biobert_tf": ["py.typed"],
        "biobert_tf.vocab": ["*.txt", "*.md"],
        "biobert_tf.demo": ["*.txt", "*.jsonl"],
        "biobert_tf.published": ["*.toml", "*.json"],
    },
    install_requires=[
        f"tensorflow=={TENSORFLOW}.0",
        f"tensorflow-text=={TENSORFLOW}.1",
        f"tf-models-official=={TENSORFLOW}.0",
        f"tf-keras=={TENSORFLOW}.1",
        # The requests that warm a server up; generated code, it brings nothing else.
        f"tensorflow-serving-api=={TENSORFLOW}.0",
        # tensorflow_hub, which tf-models-official imports, needs pkg_resources.
        "setuptools<82",
        "sentencepiece>=0.2,<0.3",
        "absl-py>=1.4,<2",
        "numpy>=1.26,<3",
        # Tables of features.
        "h5py>=3.11,<4",
        # Corpora: XML, sentences, checksums of records; learning curves.
        "lxml>=6.1,<7",
        "sentencex>=1.0.32,<1.1",
        "google-crc32c>=1.5,<2",
        "matplotlib>=3.8,<4",
        # Bars that show the progress.
        "tqdm>=4.66,<5",
    ],
    extras_require={
        "huggingface": HUGGINGFACE,
        "beam": BEAM,
        "features": FEATURES,
        "download": DOWNLOAD,
        "onnx": ONNX,
        # 180 MB, therefore not among what the tests need: theirs skip without it.
        "openvino": OPENVINO,
        "tpu-check": TPU_CHECK,
        "test": [
            *HUGGINGFACE,
            *BEAM,
            *FEATURES,
            *DOWNLOAD,
            *ONNX,
            # 280 MB; nothing else here shows what a TPU's compiler takes.
            *TPU_CHECK,
            # tf-models-official brings it; the tests run files with it themselves.
            "ai-edge-litert==2.3.0",
            # It brings these too; scores are tested against theirs.
            "scikit-learn==1.9.1",
            "scipy==1.17.1",
            "pytest==9.2.0",
            "hypothesis==6.170.17",
            "pytest-xdist==3.8.0",
            "ruff==0.17.6",
            "mypy==2.4.1",
        ],
        "benchmark": [
            *HUGGINGFACE,
            # The wheel on the registry is a CPU build at exactly this version.
            "torch==2.13.0",
            "transformers>=5,<6",
        ],
    },
    entry_points={"console_scripts": ["biobert = biobert_tf.cli.main:console"]},
)
