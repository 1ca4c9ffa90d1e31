"""The primitives, one file per family. Importing this package registers them all.

To add one: write its record in the file of its family, register how users reach it
(`UFUNCS`, `NUMPY_FUNCTIONS`, `METHODS` or a public function), and the suite in
``tests/dataflow/expr/test_primitives.py`` finds it.
"""

from __future__ import annotations

from types import ModuleType

from dataflow.expr.primitives import (
    arithmetic,
    cast,
    csv,
    einsum,
    fill,
    hashing,
    image,
    indexing,
    linear_algebra,
    lookup,
    order,
    parse_json,
    random,
    rearrange,
    reduction,
    scan,
    select,
    shape,
    size,
    text,
    text_parts,
)
from dataflow.expr.tensor import Primitive

FAMILIES: tuple[ModuleType, ...] = (
    arithmetic, cast, csv, einsum, fill, hashing, image, indexing, linear_algebra, lookup, order, parse_json,
    random, rearrange, reduction, scan, select, shape, size, text, text_parts,
)  # fmt: skip

PRIMITIVES: dict[str, Primitive] = {
    value.name: value
    for family in FAMILIES
    for item in vars(family).values()
    for value in (item.values() if isinstance(item, dict) else (item,))
    if isinstance(value, Primitive)
}
"""All primitives by name."""
