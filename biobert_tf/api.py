# SPDX-License-Identifier: Apache-2.0
"""`biobert_tf.load(path)`: a trained model as an object of Python.

What a model can do depends on what it was trained for:

    run_ner.py   annotate       texts to entities
    run_re.py    classify       texts with placeholders to relations
    run_qa.py    answer         a question and texts to answers
    any          embed          texts to vectors
"""

import dataclasses
import functools
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import cast, get_args

import numpy as np

from biobert_tf import problems
from biobert_tf.checkpoints import released
from biobert_tf.common import settings as config
from biobert_tf.common.errors import InputError
from biobert_tf.common.settings import (
    DeviceConfig,
    MixedPrecision,
    ModelConfig,
    StrategyName,
    TextConfig,
)
from biobert_tf.documents.document import Passage
from biobert_tf.embeddings import extraction
from biobert_tf.embeddings.reading import Part, Text
from biobert_tf.embeddings.settings import Layers, Pooling, VectorConfig
from biobert_tf.ner import annotator
from biobert_tf.ner.annotator import Annotator, FoundEntity
from biobert_tf.qa import ask as qa_ask
from biobert_tf.qa.ask import Answerer, FoundAnswer
from biobert_tf.qa.contexts import NamedText
from biobert_tf.relations.classifier import Classifier, Relation
from biobert_tf.training import reload

_ENCODER = "encoder"
"""The kind of a model that only embeds."""


@dataclasses.dataclass(frozen=True)
class Entity:
    """An entity in a text.

    Attributes:
        start: Of its first character in the text.
        end: Behind its last character.
        text: `text[start:end]`.
        type: Of the entity.
        probability: Of exactly this entity, in [0, 1].
    """

    start: int
    end: int
    text: str
    type: str
    probability: float

    def to_dict(self) -> dict[str, object]:
        """Returns everything by name, ready for JSON."""
        return dataclasses.asdict(self)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Model:
    """A model; made by `load`.

    Attributes:
        path: Its directory or checkpoint.
        kind: What it was trained for.
        settings: How it was trained, by the names of the flags; none of a checkpoint
            that no run of ours has written.
        batch_size: Rows per step, over all devices.
        device: Where to compute.
        text: Case, and most pieces of a row, for `embed`.
    """

    path: Path
    kind: str
    settings: Mapping[str, object] = dataclasses.field(repr=False)
    batch_size: int = dataclasses.field(repr=False)
    device: DeviceConfig = dataclasses.field(repr=False)
    text: TextConfig = dataclasses.field(repr=False)

    @property
    def labels(self) -> tuple[str, ...]:
        """Returns what it predicts, in the order of the ids; none of an encoder."""
        return released.load_labels([self.path]) or ()

    def annotate(self, texts: Iterable[str]) -> list[list[Entity]]:
        """Returns the entities of texts of any length, in the order of the texts.

        Raises:
            InputError: It is no model of run_ner.py.
        """
        self._require("annotate")
        texts = _listed(texts)
        documents = ([Passage(0, text)] for text in texts)
        found = self._annotator.annotate(documents)
        return [
            [_entity(text, entity) for entity in entities]
            for text, entities in zip(texts, found, strict=True)
        ]

    def classify(self, texts: Iterable[str]) -> list[Relation]:
        """Returns what sentences say of two entities.

        Args:
            texts: With the entities as the model was trained on them, as
                "@GENE$ causes @DISEASE$." or "<< aspirin >> helps [[ men ]]".

        Raises:
            InputError: It is no model of run_re.py, or the entities of a sentence are
                too long for it.
        """
        self._require("classify")
        return self._classifier.classify(_listed(texts))

    def answer(
        self,
        question: str,
        texts: str | Mapping[str, str] | Iterable[str],
        num_answers: int = 5,
    ) -> list[FoundAnswer]:
        """Returns the answers to a question that texts give, best first.

        Args:
            question: Its text.
            texts: One text, several, or several by name; the `source` of an answer is
                the name, or the number of the text.
            num_answers: Most answers to return.

        Raises:
            InputError: It is no model of run_qa.py.
        """
        self._require("answer")
        if not isinstance(texts, Mapping):
            several = [texts] if isinstance(texts, str) else _listed(texts)
            texts = {str(i): text for i, text in enumerate(several)}
        [question], _ = _listed([question]), _listed(texts.values())
        named = [NamedText(name, text) for name, text in texts.items()]
        return self._answerer.answer(question, named, num_answers)

    def embed(
        self,
        texts: Iterable[str],
        pooling: Pooling = "mean",
        layers: Sequence[int] = (-1,),
    ) -> np.ndarray | list[np.ndarray]:
        """Returns vectors of texts of any length, float32.

        Args:
            texts: Any.
            pooling: `mean` or `max` of the pieces of a text, `cls`, or `none`.
            layers: Of the encoder, 0 is the first, -1 the last. Vectors of several
                layers are put behind each other.

        Returns:
            `[texts, width]`; of `none`, for every text `[pieces, width]`.

        Raises:
            InputError: The model has no such layer.
        """
        wanted = VectorConfig(
            layers=Layers.parse(",".join(map(str, layers))),
            layer_mix="concat",
            pooling=pooling,
        )
        parts = (Text(Part(text, 0)) for text in _listed(texts))
        found = [each.vectors for each in self._extractor.embed(parts, wanted)]
        if pooling == "none":
            return [vectors[:, 0] for vectors in found]
        width = self._extractor.network.config.hidden_size * len(layers)
        return np.array([vectors[0] for vectors in found], np.float32).reshape(
            len(found), width
        )

    # --- loaded when they are needed --------------------------------------------------

    @functools.cached_property
    def _annotator(self) -> Annotator:
        return annotator.Annotator.load([self.path], self.device, self.batch_size)

    @functools.cached_property
    def _classifier(self) -> Classifier:
        return Classifier(self.path, self.device, self.batch_size)

    @functools.cached_property
    def _answerer(self) -> Answerer:
        return qa_ask.Answerer.load(self.path, self.device, self.batch_size)

    @functools.cached_property
    def _extractor(self) -> extraction.Extractor:
        model = ModelConfig(init_checkpoint=self.path)
        return extraction.load(self.text, model, self.device, self.batch_size)

    def _require(self, method: str) -> None:
        """Refuses a method that models of another kind have.

        Raises:
            InputError: This model has no such method.
        """
        [kind] = [each.command for each in problems.TRAINED if each.method == method]
        if self.kind != kind:
            raise InputError.at(
                self.path,
                None,
                f"cannot {method}: it is a model of kind {self.kind}, not {kind}",
            )


def load(
    path: str | Path,
    *,
    device: DeviceConfig | StrategyName = "auto",
    mixed_precision: MixedPrecision | None = None,
    batch_size: int = 32,
    do_lower_case: bool | None = None,
    max_seq_length: int | None = None,
) -> Model:
    """Returns a trained model; its weights are read when they are first needed.

    Args:
        path: The output directory of a run, or an export of it; for `embed` alone any
            checkpoint.
        device: Where to compute: `auto` (all local GPUs, else the CPU), `cpu`, `gpu`,
            or all that there is to say of it.
        mixed_precision: `auto` computes in bfloat16 where the device multiplies it;
            default: what `device` says, or float32.
        batch_size: Rows per step, over all devices.
        do_lower_case: Default: as the model was trained, as its tokenizer's files say,
            or as its vocabulary is.
        max_seq_length: Most pieces of a row, for `embed`; default: as the model was
            trained, or 128.

    Raises:
        InputError: There is no such checkpoint, or `device` is unknown.
    """
    path = Path(path).expanduser()
    found = reload.find(path)
    found.place.require()
    problem = problems.of_run(found.recorded)
    is_encoder = problem is None or problem.method == "embed"
    known = config.from_dict(TextConfig, found.recorded, path)
    if do_lower_case is None:
        is_known = "do_lower_case" in found.recorded
        do_lower_case = known.do_lower_case if is_known else released.lower_cases(path)
    if max_seq_length is None:
        max_seq_length = known.max_seq_length
    if not isinstance(device, DeviceConfig):
        device = _device(device)
    if mixed_precision is not None:
        device = dataclasses.replace(device, mixed_precision=mixed_precision)
    return Model(
        path=path,
        kind=_ENCODER if problem is None or is_encoder else problem.command,
        settings=found.recorded,
        batch_size=batch_size,
        device=device,
        text=TextConfig(do_lower_case=do_lower_case, max_seq_length=max_seq_length),
    )


def _device(name: str) -> DeviceConfig:
    """Returns the device of a name.

    Raises:
        InputError: There is no such name.
    """
    names = get_args(StrategyName)
    if name not in names:
        raise InputError(f"device {name!r} is none of {', '.join(names)}")
    return DeviceConfig(strategy=cast(StrategyName, name))


def _listed(texts: Iterable[str]) -> list[str]:
    """Returns texts as a list; one alone is refused, since it would be its letters.

    Raises:
        TypeError: One alone, or what is no text.
    """
    if isinstance(texts, str):
        raise TypeError("want a list of texts, not one text")
    listed = list(texts)
    for i, text in enumerate(listed):
        if not isinstance(text, str):
            raise TypeError(f"text {i} is no str but {type(text).__name__}")
    return listed


def _entity(text: str, found: FoundEntity) -> Entity:
    shown = text[found.start : found.end]
    return Entity(found.start, found.end, shown, found.type, found.probability)
