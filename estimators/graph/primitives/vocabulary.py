"""Known values in order, and the ids of values by them."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dataflow.errors import InvalidArgumentError, SpecError
from dataflow.expr.primitives import hashing
from dataflow.expr.tensor import Primitive, Tensor
from dataflow.spec import TensorSpec, is_text
from dataflow.strings import Strings, by_value

Ids = npt.NDArray[np.int64]
FEW = 4096
"""So many values are hashed faster than a block is searched for."""


class Vocabulary:
    """Different values in order, all text or all integers; equal if the values are.

    Few values are looked up by Arrow, which hashes them for each block; else a look-up is a binary search for
    fingerprints, then a comparison of the values themselves.

    Args:
        terms: Text or integers.

    Raises:
        InvalidArgumentError: There are none, or a value twice.

    >>> Vocabulary(["house", "apt"])
    Vocabulary(2 terms)
    """

    def __init__(self, terms: Sequence[str] | Sequence[int] | pa.Array) -> None:
        array = terms if isinstance(terms, pa.Array) else pa.array(terms)
        if not len(array):
            raise InvalidArgumentError("a vocabulary is empty")
        self.is_text = not pa.types.is_integer(array.type)
        self._terms = array.cast(pa.large_binary() if self.is_text else pa.int64())
        coded = self._terms.dictionary_encode()
        if len(coded.dictionary) < len(self):
            codes = np.asarray(coded.indices)
            order = np.argsort(codes, kind="stable")
            same = np.flatnonzero(codes[order][1:] == codes[order][:-1])[0]
            first, second = order[same], order[same + 1]
            raise InvalidArgumentError(
                f"a vocabulary holds {self.terms[first]!r} twice: at {first} and at {second}"
            )

    def __len__(self) -> int:
        return len(self._terms)

    def __repr__(self) -> str:
        return f"Vocabulary({len(self)} terms)"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Vocabulary) and self._digest == other._digest

    def __hash__(self) -> int:
        return hash(self._digest)

    @functools.cached_property
    def _digest(self) -> bytes:
        digest = hashlib.blake2b(b"text" if self.is_text else b"integers")
        lengths = pc.binary_length(self._terms) if self.is_text else self._terms
        digest.update(np.asarray(lengths).tobytes())
        digest.update(b"".join(self._terms.to_pylist()) if self.is_text else b"")
        return digest.digest()

    @functools.cached_property
    def terms(self) -> tuple[Any, ...]:
        """The values."""
        return tuple((self._terms.cast(pa.large_string()) if self.is_text else self._terms).to_pylist())

    @functools.cached_property
    def _sorted(self) -> tuple[npt.NDArray[Any], Ids]:
        """Fingerprints of text, or integers, in order, and where each value is."""
        keys = _fingerprints(self._terms) if self.is_text else np.asarray(self._terms)
        order = np.argsort(keys, kind="stable")
        return keys[order], order

    def positions(self, values: pa.Array) -> Ids:
        """Return where each value is; -1 for unknown ones and nulls."""
        if self.is_text:
            values = values.cast(pa.large_binary())
        if len(self) <= FEW:
            return np.asarray(pc.fill_null(pc.index_in(values, self._terms), -1)).astype(np.int64)
        keys = _fingerprints(values) if self.is_text else np.asarray(values)
        sorted_keys, order = self._sorted
        places = np.minimum(np.searchsorted(sorted_keys, keys), len(self) - 1)
        found = order[places]
        known = sorted_keys[places] == keys
        if self.is_text and known.any():
            same = pc.equal(values, self._terms.take(pa.array(found)))
            known &= np.asarray(pc.fill_null(same, False))
        return np.where(known, found, np.int64(-1))


def _fingerprints(values: pa.Array) -> npt.NDArray[np.uint64]:
    result: npt.NDArray[np.uint64] = hashing.fingerprint64.compute(0, Strings(values))
    return result


def _infer(x: Tensor, *, vocabulary: Vocabulary, default: int, num_oov: int) -> TensorSpec:
    if is_text(x.dtype) != vocabulary.is_text or (not vocabulary.is_text and x.dtype.kind not in "iu"):
        kind = "text" if vocabulary.is_text else "integers"
        raise SpecError(
            f"the vocabulary holds {kind}, and the feature is {x.spec}",
            hint="give the vocabulary in the feature's type, or decode the feature in the vocabulary's",
        )
    return TensorSpec(x.shape, np.int64)


def _with_unknown(values: pa.Array, vocabulary: Vocabulary, default: int, num_oov: int) -> Ids:
    ids = vocabulary.positions(values)
    if not num_oov:
        return np.where(ids < 0, np.int64(default), ids)
    unknown = np.flatnonzero(ids < 0)
    text = values.take(pa.array(unknown))
    text = text if vocabulary.is_text else text.cast(pa.string())
    ids[unknown] = len(vocabulary) + (_fingerprints(text) % np.uint64(num_oov)).astype(np.int64)
    return ids


def _compute(_: int, x: Any, *, vocabulary: Vocabulary, default: int, num_oov: int) -> Any:
    if not isinstance(x, Strings):
        flat = pa.array(np.ravel(x).astype(np.int64))
        ids = _with_unknown(flat, vocabulary, default, num_oov).reshape(np.shape(x))
        return np.where(np.equal(x, -1), np.int64(-1), ids)

    def entries(values: pa.Array) -> Ids:
        missing = np.asarray(pc.fill_null(pc.equal(pc.binary_length(values), 0), True))
        return np.where(missing, np.int64(-1), _with_unknown(values, vocabulary, default, num_oov))

    return by_value(x, ("vocabulary_ids", vocabulary, default, num_oov), entries, np.int64(-1))


vocabulary_ids = Primitive(
    "vocabulary_ids",
    _infer,
    _compute,
    lambda: [
        (
            (np.array(["b", "x", ""], object),),
            {"vocabulary": Vocabulary(["a", "b"]), "default": 1, "num_oov": 0},
        ),
        ((np.array([3, 9, -1]),), {"vocabulary": Vocabulary([9, 3]), "default": -1, "num_oov": 0}),
        ((np.array([7, 9, -1]),), {"vocabulary": Vocabulary([9, 3]), "default": -1, "num_oov": 4}),
    ],
    elementwise=True,
    total=True,
)
"""Position in the vocabulary. Unknown: `default`, or behind the vocabulary by fingerprint of the text modulo
`num_oov` buckets. Missing ('' or null text, integer -1): -1."""
