"""The model as Python sees it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypedDict, overload

import numpy as np

from . import _stance
from ._errors import StanceError
from ._prediction import Model, Prediction

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray
    from typing_extensions import Unpack

    from ._stance import Model as Loaded


class Options(TypedDict, total=False):
    """What may be chosen about predictions; docs/output.md says what each does."""

    offset_unit: Literal["char", "byte", "utf16"]
    max_evidence: int
    max_unmentioned: int
    restrict_to: Sequence[str]
    label_language: str
    topic_threshold: float
    stance_threshold: float
    clean: bool
    input: Literal["text", "html"]
    sentence_scores: bool


class TableOptions(Options, total=False):
    """Options, and which columns of a table are the document (docs/archive.md)."""

    text_column: str
    id_column: str
    actors_column: str
    language_column: str
    keep: Sequence[str]
    actors: Sequence[str | Mapping[str, Any]]


class Classifier:
    """A model in memory. It may be used from many threads at once, and pickled: what is pickled is
    how to load it.
    """

    def __init__(self, loaded: Loaded, arguments: Mapping[str, Any]) -> None:
        """For :meth:`load`."""
        self._loaded = loaded
        self._arguments = dict(arguments)

    @classmethod
    def load(
        cls,
        path_or_hub_id: str | os.PathLike[str] | None = None,
        device: str = "cpu",
        *,
        dtype: str = "f32",
        offline: bool = False,
        registry: Iterable[str | os.PathLike[str]] = (),
    ) -> Classifier:
        """Loads a model: the one in the package, a folder, or ``owner/name[@revision]`` of the hub.

        ``device`` is ``cpu``, ``cuda``, ``cuda:1``, ``metal`` or ``auto``, as far as the package
        was built for it; ``dtype`` is ``f32``, ``int8``, ``bf16`` or ``auto``; ``registry`` are
        files of further actors. Raises :class:`StanceError`.
        """
        name = "default" if path_or_hub_id is None else os.fspath(path_or_hub_id)
        if name != "default" and os.path.isdir(name):
            # A process that unpickles it may work in another folder.
            name = os.path.abspath(name)
        arguments = {
            "path_or_hub_id": name,
            "device": device,
            "dtype": dtype,
            "offline": offline,
            "registry": [os.path.abspath(file) for file in registry],
        }
        loaded = _stance.Model.load(name, device, dtype, offline, arguments["registry"])
        return cls(loaded, arguments)

    def __reduce__(self) -> tuple[Any, ...]:
        return _load, (self._arguments,)

    def __repr__(self) -> str:
        return f"<stance.Classifier {self.model.name} {self.model.version}>"

    @property
    def model(self) -> Model:
        """Which model this is."""
        return Model(**json.loads(self._loaded.info()))

    @property
    def hidden(self) -> int:
        """Width of the vectors of :meth:`embed`."""
        return self._loaded.hidden()

    @overload
    def classify(
        self,
        text: str | Mapping[str, Any],
        actors: Sequence[str | Mapping[str, Any]] | None = None,
        *,
        errors: Literal["raise"] = "raise",
        **options: Unpack[Options],
    ) -> Prediction: ...

    @overload
    def classify(
        self,
        text: Iterable[str | Mapping[str, Any]],
        actors: Sequence[str | Mapping[str, Any]] | None = None,
        *,
        errors: Literal["raise"] = "raise",
        **options: Unpack[Options],
    ) -> list[Prediction]: ...

    @overload
    def classify(
        self,
        text: Iterable[str | Mapping[str, Any]],
        actors: Sequence[str | Mapping[str, Any]] | None = None,
        *,
        errors: Literal["return"],
        **options: Unpack[Options],
    ) -> list[Prediction | StanceError]: ...

    def classify(self, text, actors=None, *, errors="raise", **options):
        """Judges a text, or many at once, which is faster than one by one.

        A text is a string, or a document as in JSON: ``{"text": …, "id": …, "language": …,
        "actors": …}``. ``actors`` are judged in every document that brings none, each an id of the
        registry, a name, or ``{"id": …, "names": […]}``; when absent, those of the registry that
        the text names are.

        A document that cannot be judged raises :class:`StanceError`; of many, with
        ``errors="return"``, the error stands in its place.
        """
        if errors not in ("raise", "return"):
            raise ValueError(f"errors must be 'raise' or 'return', not {errors!r}")
        single = isinstance(text, (str, Mapping))
        documents = [_document(entry) for entry in ([text] if single else text)]
        lines = [json.dumps(document) for document in documents]
        answers = self._loaded.classify(lines, _asked(options, actors))
        results = []
        for document, answer in zip(documents, answers):
            data = json.loads(answer)
            if "error" in data:
                error = StanceError(data["error"]["code"], data["error"]["message"])
                if errors == "raise":
                    raise error
                results.append(error)
            else:
                results.append(Prediction.from_dict(data, source=document.get("text")))
        return results[0] if single else results

    @overload
    def score_arrow(
        self, batch: pa.RecordBatch, **asked: Unpack[TableOptions]
    ) -> pa.RecordBatch: ...

    @overload
    def score_arrow(self, batch: Any, **asked: Unpack[TableOptions]) -> Any: ...

    def score_arrow(self, batch, **asked):
        """A row of answers for each row, in their order: the columns of docs/archive.md, and
        ``error`` (code, message), null where the row was scored.

        A ``RecordBatch`` comes back for one; a ``Table`` for a table or whatever else hands out a
        stream of Arrow, such as a data frame of pandas or polars. Nothing is copied on the way in
        or out. Rows beyond some hundreds at once gain nothing.
        """
        import pyarrow as pa

        asked = _table(asked)
        if isinstance(batch, pa.RecordBatch):
            return self._loaded.score(batch, asked)
        if not hasattr(batch, "__arrow_c_stream__"):
            raise TypeError(f"expected a batch or table of Arrow, not {type(batch).__name__}")
        reader = pa.RecordBatchReader.from_stream(batch)
        schema = self._loaded.score_schema(reader.schema, asked)
        batches = [self._loaded.score(part, asked) for part in reader]
        return pa.Table.from_batches(batches, schema=schema)

    def score_schema(self, schema: pa.Schema, **asked: Unpack[TableOptions]) -> pa.Schema:
        """The schema of what :meth:`score_arrow` answers to batches of a schema."""
        return self._loaded.score_schema(schema, _table(asked))

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Texts as vectors of length 1, ``[n, hidden]``. Long texts are read whole."""
        if isinstance(texts, str):
            raise TypeError("embed takes a list of texts")
        data = self._loaded.embed(list(texts))
        return np.frombuffer(data, dtype=np.float32).reshape(-1, self.hidden)


def _load(arguments: Mapping[str, Any]) -> Classifier:
    return Classifier.load(**arguments)


def _document(entry: str | Mapping[str, Any]) -> dict[str, Any]:
    if isinstance(entry, str):
        return {"text": entry}
    if isinstance(entry, Mapping):
        return dict(entry)
    raise TypeError(f"expected a text or a document, not {type(entry).__name__}")


def _given(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _actors(actors: Sequence[str | Mapping[str, Any]] | None) -> list[Any] | None:
    if isinstance(actors, str):
        raise TypeError("actors is a list")
    return None if actors is None else list(actors)


def _asked(
    options: Mapping[str, Any],
    actors: Sequence[str | Mapping[str, Any]] | None,
    columns: Mapping[str, Any] | None = None,
) -> str:
    asked = {"actors": _actors(actors), "options": _given(options), "columns": columns or {}}
    return json.dumps(asked)


def _table(asked: Mapping[str, Any]) -> str:
    """Splits what was asked of a table into its columns, its actors, and the options."""
    options = dict(asked)
    columns = {
        name: options.pop(f"{name}_column", None) for name in ("text", "id", "actors", "language")
    }
    keep = options.pop("keep", None)
    columns["keep"] = None if keep is None else list(keep)
    actors = options.pop("actors", None)
    return _asked(options, actors, _given(columns))
