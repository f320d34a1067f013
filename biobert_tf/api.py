# SPDX-License-Identifier: Apache-2.0
"""`biobert_tf.load(path)`: a trained model as a Python object.

The methods of a model depend on the script that trained it, or on the class with which
Transformers saved it:

    run_ner.py   BertForTokenClassification      annotate   texts to entities
    run_re.py    BertForSequenceClassification   classify   marked texts to relations
    run_qa.py    BertForQuestionAnswering        answer     a question, texts to answers
    any          any                             embed      texts to vectors

Those of `biobert classification` classify texts, or pairs of texts: `classify` too.
"""

import dataclasses
import functools
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

import numpy as np

from biobert_tf import problems
from biobert_tf.checkpoints import huggingface, released
from biobert_tf.classification.classifier import Classification as Classification
from biobert_tf.classification.classifier import Classifier
from biobert_tf.common import remote_path
from biobert_tf.common.errors import InputError, shown
from biobert_tf.common.settings import (
    DeviceConfig,
    EngineName,
    MixedPrecision,
    ModelConfig,
    StrategyName,
    TextConfig,
    from_dict,
)
from biobert_tf.documents import html_fragment, html_marks
from biobert_tf.documents.document import Passage
from biobert_tf.embeddings import extraction
from biobert_tf.embeddings.reading import Part, Text
from biobert_tf.embeddings.settings import Layers, Pooling, VectorConfig
from biobert_tf.ner import reading as ner_reading
from biobert_tf.ner.annotator import Annotator
from biobert_tf.qa.ask import Answerer
from biobert_tf.qa.ask import FoundAnswer as FoundAnswer
from biobert_tf.qa.contexts import NamedText
from biobert_tf.relations import predict
from biobert_tf.relations.predict import Relation as Relation
from biobert_tf.results import (
    Annotations,
    Answers,
    Classifications,
    Entities,
    Entity,
    Relations,
)
from biobert_tf.training import reload
from biobert_tf.training.problem import TrainedProblem


@dataclasses.dataclass(frozen=True, kw_only=True, repr=False)
class Model:
    """A model; made by `load`.

    Attributes:
        kind: The command that trains such models, or `encoder` if it only embeds.
        settings: The settings of the training, by flag name; empty for a checkpoint
            that none of our runs wrote. The export of such a checkpoint has only its
            `kind`, case and length.
        batch_size: The number of rows per step, over all devices.
        text: The case, and the maximum number of pieces in a row, for `embed`.
        entity_type: The type of entities whose labels have none; "" if it is unknown.
    """

    path: Path
    kind: str
    settings: Mapping[str, object]
    batch_size: int
    device: DeviceConfig
    text: TextConfig
    entity_type: str = ""

    def __post_init__(self) -> None:
        """Rejects a batch without a row."""
        if self.batch_size < 1:
            raise InputError(f"batch_size={self.batch_size}: must be at least 1")

    @property
    def labels(self) -> tuple[str, ...]:
        """Returns the labels, in the order of the ids; empty for an encoder."""
        return released.load_labels([self.path]) or ()

    def annotate(self, texts: Iterable[str]) -> Annotations:
        """Returns the entities of texts of any length, a list for each text.

        Raises:
            InputError: It is no model of named entities.
        """
        self._require("annotate")
        texts = _listed(texts)
        documents = ([Passage(0, text)] for text in texts)
        found = self._annotator.annotate(documents)
        return Annotations(
            Entities(
                (
                    Entity(e.start, e.end, text[e.start : e.end], e.type, e.probability)
                    for e in entities
                ),
                text,
            )
            for text, entities in zip(texts, found, strict=True)
        )

    def classify(
        self, texts: Iterable[str], pairs: Iterable[str] | None = None
    ) -> Relations | Classifications:
        """Returns what a model says of texts, one result each.

        A model of relations says which one a sentence states between two entities.
        These are marked as in the training: "@GENE$ causes @DISEASE$." or
        "<< aspirin >> helps [[ men ]]". Other models give texts of any length labels or
        numbers. If they were trained on pairs, `pairs` has the second texts.

        Raises:
            InputError: It is no such model, the entities of a sentence are too long for
                it, or it reads pairs and there are none, or the opposite.
        """
        self._require("classify")
        texts = _listed(texts)
        if self.kind == problems.CLASSIFICATION.command:
            seconds = None if pairs is None else _listed(pairs)
            return Classifications(self._text_classifier.classify(texts, seconds))
        if pairs is not None:
            raise InputError.at(self.path, None, "a model of relations reads no pairs")
        return Relations(self._classifier.classify(texts))

    def answer(
        self,
        question: str,
        texts: str | Mapping[str, str] | Iterable[str],
        num_answers: int = 5,
    ) -> Answers:
        """Returns at most `num_answers` answers that texts give, best first.

        `texts` are one text, several, or several by name; the `source` of an answer is
        the name, or the number of the text.

        Raises:
            TypeError: Something given is not a text.
            InputError: It is no model of answers.
        """
        self._require("answer")
        if not isinstance(texts, Mapping):
            several = [texts] if isinstance(texts, str) else _listed(texts)
            texts = {str(i): text for i, text in enumerate(several)}
        [question], _ = _listed([question]), _listed(texts.values())
        named = [NamedText(name, text) for name, text in texts.items()]
        found = self._answerer.answer(question, named, num_answers)
        return Answers(found, question, dict(texts))

    def embed(
        self,
        texts: Iterable[str],
        pooling: Pooling = "mean",
        layers: Sequence[int] = (-1,),
    ) -> np.ndarray | list[np.ndarray]:
        """Returns vectors of texts of any length, float32.

        Args:
            texts: The texts.
            pooling: `mean`, `max` or `cls` for a vector per text, `none` per piece.
            layers: The layers of the encoder; 0 is the first, -1 the last. The vectors
                of several layers are concatenated.

        Returns:
            An array `[texts, width]`; with `none`, an array `[pieces, width]` per text.

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

    def __repr__(self) -> str:
        """Returns the path and the kind."""
        return f"Model(path={shown(self.path)!r}, kind={self.kind!r})"

    def _repr_html_(self) -> str:
        own = [each.method for each in problems.TRAINED if each.command == self.kind]
        methods = " and ".join(f"<code>{method}</code>" for method in (*own, "embed"))
        body = [
            html_fragment.head(f"Model {html_marks.isolated(shown(self.path))}"),
            html_fragment.info(f"kind {html_marks.isolated(self.kind)}", methods),
        ]
        if labels := ", ".join(map(html_marks.isolated, self.labels)):
            body.append(html_fragment.info(f"labels {labels}"))
        return html_fragment.fragment(body, ())

    @functools.cached_property
    def _annotator(self) -> Annotator:
        types = [self.entity_type]
        return Annotator.load([self.path], self.device, self.batch_size, types)

    @functools.cached_property
    def _classifier(self) -> predict.Classifier:
        return predict.Classifier(self.path, self.device, self.batch_size)

    @functools.cached_property
    def _text_classifier(self) -> Classifier:
        return Classifier.load(self.path, self.device, self.batch_size)

    @functools.cached_property
    def _answerer(self) -> Answerer:
        return Answerer.load(self.path, self.device, self.batch_size)

    @functools.cached_property
    def _extractor(self) -> extraction.Extractor:
        model = ModelConfig(init_checkpoint=self.path)
        return extraction.load(self.text, model, self.device, self.batch_size)

    def _require(self, method: str) -> None:
        """Refuses a method that only models of another kind have."""
        kinds = [each.command for each in problems.TRAINED if each.method == method]
        if self.kind not in kinds:
            wanted = " or ".join(kinds)
            problem = f"cannot {method}: it is a model of kind {self.kind}, not "
            raise InputError.at(self.path, None, f"{problem}{wanted}")


def load(
    path: str | Path,
    *,
    device: DeviceConfig | StrategyName = "auto",
    mixed_precision: MixedPrecision | None = None,
    engine: EngineName | None = None,
    batch_size: int = 32,
    do_lower_case: bool | None = None,
    max_seq_length: int | None = None,
    entity_type: str = "",
) -> Model:
    """Returns a trained model; the weights are read when they are first needed.

    Args:
        path: The output directory of a run, or an export of it; a directory that
            Transformers saved; any checkpoint if only `embed` is used; on this computer
            or in a store, such as `gs://bucket/model`. Or `hf://owner/name` or
            `hf://owner/name@revision` of the Hugging Face Hub.
        device: Where to compute: `auto` (all local GPUs, else the CPU), `cpu`, `gpu`,
            or a `DeviceConfig` with all settings.
        mixed_precision: `auto` computes in bfloat16 if the device multiplies it
            natively; default: what `device` says, or float32.
        engine: `openvino` predicts faster on a CPU, and needs the extra of this name;
            default: what `device` says, or `tensorflow`.
        batch_size: Rows per step, over all devices.
        do_lower_case: Whether to lower-case text. Default: as the model was
            trained, else as its tokenizer's files say or its vocabulary shows.
        max_seq_length: The maximum number of pieces in a row, for `embed`. Default: as
            the model was trained, or 128, or all positions if these are fewer.
        entity_type: The type of the entities of a model whose labels have none, such
            as "Disease". Default: as the model was trained, else they are "MISC".

    Raises:
        InputError: There is no such checkpoint, it cannot be downloaded, `device` or
            `engine` is unknown, `batch_size` is below 1, or a type is given for a model
            whose labels have other types or that finds no entities.
    """
    path = remote_path.parse(path).expanduser()
    found = reload.find(path)
    found.place.require()
    problem = problems.of_found(found)
    kind = "encoder"
    if isinstance(problem, TrainedProblem) and problem.method != "embed":
        kind = problem.command
    known = from_dict(TextConfig, found.recorded, path)
    if do_lower_case is None:
        do_lower_case = released.lower_cases(found.place, found.recorded)
    if max_seq_length is None:
        max_seq_length = known.max_seq_length
        if found.place.format == "huggingface" and not found.recorded:
            sizes = huggingface.encoder_config(found.place.folder)
            max_seq_length = min(max_seq_length, sizes.max_position_embeddings)
    if not isinstance(device, DeviceConfig):
        _require_one_of("device", device, StrategyName)
        device = DeviceConfig(strategy=device)
    if engine is not None:
        _require_one_of("engine", engine, EngineName)
    device = dataclasses.replace(
        device,
        mixed_precision=mixed_precision or device.mixed_precision,
        engine=engine or device.engine,
    )
    return Model(
        path=path,
        kind=kind,
        settings=found.recorded,
        batch_size=batch_size,
        device=device,
        text=TextConfig(do_lower_case=do_lower_case, max_seq_length=max_seq_length),
        entity_type=_entity_type(found, kind, entity_type),
    )


def _require_one_of(name: str, value: str, kind: Any) -> None:
    """Raises InputError unless the value is one of a `Literal`."""
    if value not in get_args(kind):
        raise InputError(f"{name} {value!r} is none of {', '.join(get_args(kind))}")


def _entity_type(found: reload.Found, kind: str, given: str) -> str:
    """Returns the type of entities whose labels have none: as given, or recorded."""
    if given and kind != problems.NER.command:
        problem = f"entity type {given!r}: it is a model of kind {kind}, not ner"
        raise InputError.at(found.place.path, None, problem)
    ner_reading.require_untyped(found.labels, given, found.place.path)
    return given or released.recorded_type(found.recorded)


def _listed(texts: Iterable[str]) -> list[str]:
    """Returns texts as a list; refuses one text, which would become its letters."""
    if isinstance(texts, str):
        raise TypeError("want a list of texts, not one text")
    listed = list(texts)
    for i, text in enumerate(listed):
        if not isinstance(text, str):
            raise TypeError(f"text {i} is not a str but {type(text).__name__}")
    return listed
