"""From audio to rows of a feature table: the kinds of features, and the work on one source.

A kind is a frozen dataclass whose fields are its parameters. Called with blocks of samples and their rate it gives
either a vector, named by `columns`, or (columns None) an array of any shape: frames, patches, an image.
"""

import base64
import importlib
import types
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Protocol, Self, cast, get_args, get_type_hints

import numpy as np
from numpy.typing import NDArray

from hitpredict.audio.clip import Samples
from hitpredict.audio.read import open_audio
from hitpredict.audio.source import Source
from hitpredict.errors import InputError, UsageError, unknown
from hitpredict.files.arrays import AnyArray, ArrayStore, StoredArray
from hitpredict.frontends import FRONTENDS, Frontend, make_frontend
from hitpredict.frontends.store import FrameStore
from hitpredict.registry import check_known


class Kind(Protocol):
    """What every kind of features is; see the module's docstring."""

    @property
    def columns(self) -> tuple[str, ...] | None: ...

    def __call__(self, blocks: Iterable[Samples], rate: int) -> NDArray[Any]: ...


class ArrayKind(Kind, Protocol):
    """A kind that gives arrays, and can give them in parts that follow one another along the first axis."""

    def parts(self, blocks: Iterable[Samples], rate: int) -> Iterator[NDArray[Any]]: ...


@dataclass(frozen=True)
class FrontendKind:
    """A scoring front-end as a kind of features: its model input for the whole track."""

    frontend: Frontend

    @property
    def columns(self) -> tuple[str, ...] | None:
        return getattr(self.frontend, "columns", None)

    def __call__(self, blocks: Iterable[Samples], rate: int) -> NDArray[Any]:
        return np.concatenate(list(self.parts(blocks, rate)))

    def parts(self, blocks: Iterable[Samples], rate: int) -> Iterator[NDArray[Any]]:
        """The same in parts."""
        with FrameStore(self.frontend.frames(blocks, rate)) as store:
            if not store.rows:
                raise InputError(f"too short for a single frame of {self.frontend.name}")
            yield from self.frontend.parts(store.view())


# Named by module, so that a kind's libraries are loaded only when it is used.
_DESCRIPTORS = {
    "fma518": "hitpredict.features.descriptors.fma:Fma518",
    "hmn207": "hitpredict.features.descriptors.hmn:Hmn207",
    "complexity": "hitpredict.features.descriptors.complexity:Complexity",
    "vggish_embedding": "hitpredict.features.embeddings.vggish:VggishEmbedding",
    "ast": "hitpredict.features.embeddings.ast:AstEmbedding",
    "ast_tags": "hitpredict.features.embeddings.ast:AstTags",
    "wav2vec2": "hitpredict.features.embeddings.wav2vec2:Wav2Vec2Embedding",
    "mert": "hitpredict.features.embeddings.wav2vec2:MertEmbedding",
    "clap_embedding": "hitpredict.features.embeddings.clap:ClapEmbedding",
}
KINDS = (*_DESCRIPTORS, *FRONTENDS)


def kind_class(name: str) -> type:
    """The dataclass of a kind. Raises `UsageError`, listing the kinds, when there is none of that name."""
    if name in FRONTENDS:
        return FRONTENDS[name]  # type: ignore[no-any-return]
    check_known("kind", [name], KINDS)
    module, attribute = _DESCRIPTORS[name].split(":")
    return getattr(importlib.import_module(module), attribute)  # type: ignore[no-any-return]


def make_kind(name: str, settings: Mapping[str, str]) -> Kind:
    """A kind with some of its parameters set from text (`n_mels` = "64"). Raises `UsageError`."""
    if name == "vggish" and "weights" in settings:
        name = "vggish_embedding"
    cls = kind_class(name)
    types_of = get_type_hints(cls)
    known = [field.name for field in fields(cls)]
    if wrong := [key for key in settings if key not in known]:
        raise UsageError(f"{unknown('`settings`', wrong[0], known)} (parameters of {name})")
    typed = {key: _typed(key, text, types_of[key]) for key, text in settings.items()}
    if name not in FRONTENDS:
        return cls(**typed)  # type: ignore[no-any-return]
    return FrontendKind(make_frontend(name, typed))


def described(kind: Kind) -> dict[str, Any]:
    """Name and parameters of a kind, as plain data: what tables and models store."""
    made: Any = kind.frontend if isinstance(kind, FrontendKind) else kind
    return {"name": made.name, **asdict(made)}


def vector_kinds() -> list[Kind]:
    """The kinds that give named vectors from sound alone, with their default parameters."""
    return [make_kind(name, {}) for name in ("mfcc_stats", "fma518", "hmn207", "complexity")]


def _typed(key: str, text: str, wanted: Any) -> Any:
    choices = get_args(wanted) if isinstance(wanted, types.UnionType) else (wanted,)
    if type(None) in choices and text.lower() in ("none", ""):
        return None
    for choice in choices:
        try:
            if choice is bool:
                return {"true": True, "false": False}[text.lower()]
            if choice in (int, float, str):
                return choice(text)
        except (ValueError, KeyError):
            continue
    nouns = {bool: "true or false", int: "a whole number", float: "a number", type(None): "none"}
    raise UsageError(f"`settings` {key}={text}: must be {' or '.join(nouns.get(each, str(each)) for each in choices)}")


@dataclass(frozen=True)
class FeatureRow:
    """The features of one track.

    values: a vector, or an array of any shape, which lies in a file when it is large. duration: seconds decoded, None
    where not known. warnings: what was found wrong with the file and survived.
    """

    path: str
    track_id: str
    values: AnyArray
    duration: float | None = None
    warnings: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """As plain data, the numbers exact; of an array in a file its name and size."""
        values = self.values
        about: dict[str, Any] = {"path": self.path, "track_id": self.track_id, "duration": self.duration}
        about |= {"shape": list(values.shape), "dtype": values.dtype.str}
        if isinstance(values, StoredArray):
            return {**about, "file": values.path.name, "bytes": values.nbytes}
        return {**about, "values": base64.b64encode(values.tobytes()).decode()}

    @classmethod
    def from_json(cls, record: Mapping[str, Any], folder: Path | None) -> Self:
        """The row of such data. folder: where the files of arrays are."""
        shape, dtype = tuple(record["shape"]), np.dtype(record["dtype"])
        if "file" in record:
            assert folder is not None
            values: AnyArray = StoredArray(folder / record["file"], 0, shape, dtype)
        else:
            values = np.frombuffer(base64.b64decode(record["values"]), dtype).reshape(shape)
        return cls(record["path"], record["track_id"], values, record.get("duration"))


def featuring(name: str, settings: Mapping[str, str], folder: Path | None) -> Callable[[Source], FeatureRow]:
    """The function that makes one source's row: what each process of a batch runs; see `row_of`."""
    kind = make_kind(name, settings)
    return lambda source: row_of(source, kind, folder)


def row_of(source: Source, kind: Kind, folder: Path | None = None) -> FeatureRow:
    """Decode a source and describe it. Raises `InputError`, naming the source.

    folder: where large arrays are put, each in a file of its own that whoever takes the row removes; without one they
    are held in memory.
    """
    with open_audio(source) as reader:
        try:
            values = values_of(kind, reader.blocks(reuse=True), reader.rate, ArrayStore(folder) if folder else None)
        except InputError as error:
            if str(error).startswith(source.path):
                raise
            raise InputError(f"{source.path}: {error}") from error
    duration = round(reader.frames_read / reader.rate, 3)
    return FeatureRow(source.path, source.track_id, values, duration, tuple(reader.warnings))


def values_of(kind: Kind, blocks: Iterable[Samples], rate: int, store: ArrayStore | None) -> AnyArray:
    """What a kind makes of a sound; large arrays are put into the store, if there is one."""
    if store is None or kind.columns is not None:
        return np.asarray(kind(blocks, rate))
    return store.put(cast(ArrayKind, kind).parts(blocks, rate))
