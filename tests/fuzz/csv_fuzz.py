"""Mangled CSV files through `read_csv` and a slow reader: no crash, no hang, and no row that is lost.

Run a million lines with ``python tests/fuzz/csv_fuzz.py --lines 1000000``. For each file the rows, their
values, and the rejected records with their lines must be those of `tests.reference.csv_table_reference`,
for every block size, and after a resume from a random position.
"""

from __future__ import annotations

import argparse
import base64
import dataclasses
import json
import logging
import random
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from dataflow import Options, csv_row_counts, infer_csv_schema, read_csv
from tests.reference import csv_table_reference as reference

SPECIAL = [
    b'"',
    b'""',
    b",",
    b"\n",
    b"\r",
    b"\r\n",
    b"\x00",
    b"\xff",
    b"\xc3",
    "é".encode(),
    b"\\",
    b"'",
    b"#",
    b" ",
    b"\t",
    b";",
    b'",',
    b',"',
    b'"\n',
    b"\n\n",
    b"\n \n",
    b"\n#",
    b'\n"',
]
VALUES = [
    b"",
    b"NA",
    b"-999",
    b"-999.0",
    b"nan",
    b"inf",
    b"-inf",
    b"1e999",
    b"+5",
    b"-",
    b"+",
    b".",
    b"1.",
    b".5",
    b"5",
    b" 7 ",
    b"0x1f",
    b"1_000",
    b"9223372036854775807",
    b"9223372036854775808",
    b"-9223372036854775808",
    b"007",
    b"1e",
    b"12345678901234567890",
    b"3.4028235677973366e38",
    b"0.1",
    b"true",
    b'"x,y"',
    b'"x\ny"',
    b'5" pipe',
    b"2.2250738585072011e-308",
    b"9007199254740993",
    b"1" * 40,
    b"0." + b"3" * 60,
    b'"a""b"',
    b'"',
    b'"7"',
    b'" "',
]
DIALECTS = [
    reference.Rules(),
    reference.Rules(),
    reference.Rules(comment="#"),
    reference.Rules(delimiter=";", skip_blank_lines=False),
    reference.Rules(delimiter="\t", quote="'"),
    reference.Rules(escape="\\", doublequote=False),
    reference.Rules(escape="\\", comment="//"),
    reference.Rules(quote=None),
    reference.Rules(quote=None, escape="\\"),
    reference.Rules(max_record_bytes=70, comment="#"),
]
NA_VALUES = [("",), ("", "NA"), ("", "NA", "-999"), ("NA",), ()]
BLOCKS = [1, 7, 64, 257, 4096, 1 << 20]


@dataclasses.dataclass
class Totals:
    """What was tried."""

    files: int = 0
    lines: int = 0
    rows: int = 0
    rejected: int = 0
    bytes: int = 0


def generated(rng: random.Random, lines: int, width: int, delimiter: bytes) -> bytes:
    """Return lines of random fields."""
    end = rng.choice([b"\n", b"\n", b"\r\n", b"\r"])
    rows = [
        delimiter.join(
            rng.choice(VALUES) if rng.random() < 0.1 else b"%d" % rng.randrange(10 ** rng.randrange(1, 9))
            for _ in range(width)
        )
        for _ in range(lines)
    ]
    return end.join(rows) + end * rng.choice([0, 1, 1])


def mangled(rng: random.Random, data: bytes, times: int) -> bytes:
    """Return the data with so many changes at random places."""
    found = bytearray(data)
    for _ in range(times):
        at, kind = rng.randrange(len(found) + 1), rng.randrange(7)
        if kind <= 2:
            found[at:at] = rng.choice(SPECIAL)
        elif kind == 3:
            found[at : at + 1] = bytes([rng.randrange(256)])
        elif kind == 4:
            del found[at : at + rng.randrange(1, 6)]
        elif kind == 5:
            found[at:at] = rng.choice(VALUES)
        else:
            source = rng.randrange(len(found) + 1)
            found[at:at] = found[source : source + rng.randrange(1, 40)]
    return bytes(found)


def expected(
    data: bytes, rules: reference.Rules, kinds: list[str], na_values: tuple[str, ...]
) -> tuple[list[list[Any]], list[tuple[int, bytes]]]:
    """Return the rows, and line and text of what is rejected."""
    rows, bad = [], []
    for record in reference.records(data, rules, len(kinds)):
        try:
            if record.fields is None or len(record.fields) != len(kinds):
                raise ValueError("fields")
            pairs = zip(record.fields, kinds, strict=True)
            rows.append([reference.value(field, kind, na_values) for field, kind in pairs])
        except ValueError:
            bad.append((record.line + 1, record.raw[: min(rules.max_record_bytes, 1 << 16)]))
    return rows, bad


def found(
    path: Path,
    rules: reference.Rules,
    kinds: list[str],
    na_values: tuple[str, ...],
    block: int,
    cut: int | None,
) -> tuple[list[list[Any]], list[tuple[int, bytes]]]:
    """Return the same by `read_csv`, with a resume in a new iterator behind the row `cut`."""
    names = [f"c{i}" for i in range(len(kinds))]
    quarantine = path.with_suffix(".bad")
    dataset = read_csv(
        path,
        schema=dict(zip(names, kinds, strict=True)),
        header=names,
        na_values=na_values,
        on_bad_rows="quarantine",
        quarantine=str(quarantine),
        **dataclasses.asdict(rules),
    ).with_options(Options(block_bytes=block, threads=0))
    rows = []
    iterator = iter(dataset)
    for row in iterator:
        rows.append([_plain(row[name]) for name in names])
        if len(rows) == cut:
            state = json.loads(json.dumps(iterator.state()))
            iterator.close()
            iterator = iter(dataset)
            iterator.restore(state)
            rows += [[_plain(row[name]) for name in names] for row in iterator]
            break
    counts = csv_row_counts(iterator)
    lines = [json.loads(line) for line in quarantine.read_text().splitlines()]
    assert counts == (len(rows), len(lines)), f"{counts}, and there are {len(rows)} and {len(lines)}"
    return rows, [(line["line"], raw_of(line)) for line in lines]


def raw_of(line):
    """Return the bytes of a record in the quarantine."""
    return base64.b64decode(line["base64"]) if "base64" in line else line["text"].encode()


def _plain(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else value


def check(
    data: bytes, rng: random.Random, folder: Path, totals: Totals, width: int, rules: reference.Rules
) -> None:
    """Compare both readers on one file; raises AssertionError with what is needed to see it again."""
    kinds = [rng.choice(["int64", "float64", "string", "string"]) for _ in range(width)]
    na_values = rng.choice(NA_VALUES)
    path = folder / "a.csv"
    path.write_bytes(data)
    wanted = expected(data.removeprefix(b"\xef\xbb\xbf"), rules, kinds, na_values)
    blocks = [1 << 20, rng.choice(BLOCKS[2:])] if len(data) > 2000 else [1 << 20, *rng.sample(BLOCKS[:5], 2)]
    for number, block in enumerate(blocks):
        cut = rng.randrange(1, len(wanted[0]) + 1) if number and wanted[0] else None
        result = found(path, rules, kinds, na_values, block, cut)
        assert repr(result) == repr(wanted), (
            f"{rules}\nkinds={kinds} na_values={na_values} block={block} cut={cut}\ndata={data!r}\n"
            f"found  {_first_difference(result, wanted)}\nwanted {_first_difference(wanted, result)}"
        )
    totals.files += 1
    totals.bytes += len(data)
    totals.rows += len(wanted[0])
    totals.rejected += len(wanted[1])
    totals.lines += len(data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").splitlines())


def check_inference(data: bytes, folder: Path, width: int, rules: reference.Rules) -> None:
    """An inferred schema holds every row that has fields, but for text that cannot be decoded."""
    path, names = folder / "b.csv", [f"c{i}" for i in range(width)]
    path.write_bytes(data)
    settings = {"header": names, **dataclasses.asdict(rules)}
    schema = infer_csv_schema(path, **settings)
    iterator = iter(read_csv(path, schema=schema, on_bad_rows="skip", **settings))
    list(iterator)
    assert csv_row_counts(iterator).bad_rows == schema.bad_rows, f"{schema}\n{rules}\n{data!r}"


def _first_difference(a: Any, b: Any) -> Any:
    for mine, other in zip(a, b, strict=True):
        for i, item in enumerate(mine):
            if i >= len(other) or repr(other[i]) != repr(item):
                return i, item
    return [len(part) for part in a]


def run(lines: int, seed: int, most_lines: int = 600) -> Totals:
    """Try files until so many lines were read."""
    rng, totals = random.Random(seed), Totals()
    taxi = (
        (Path(__file__).parents[2] / "fixtures/taxi/train.csv-00000-of-00004").read_bytes().splitlines(True)
    )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        while totals.lines < lines:
            rules = rng.choice(DIALECTS)
            count = min(rng.randrange(1, most_lines), max(lines - totals.lines, 1))
            if rng.random() < 0.3:
                start = rng.randrange(len(taxi))
                data, width = b"".join(taxi[start : start + count]), taxi[0].count(b",") + 1
            else:
                width = rng.choice([1, 2, 3, 5, 9, 40])
                data = generated(rng, count, width, rules.delimiter.encode())
            data = mangled(rng, data, rng.choice([0, 1, count // 50 + 1, count // 5 + 1, count]))
            if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
                continue
            if b"\xff" not in data and rng.random() < 0.2:
                valid = data.decode("utf-8", "ignore").encode()
                check_inference(valid, folder, width, rules)
            check(data, rng, folder, totals, width, rules)
    return totals


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    settings = parser.parse_args()
    logging.getLogger("dataflow").setLevel(logging.ERROR)
    start = time.perf_counter()
    totals = run(settings.lines, settings.seed)
    print(
        f"{totals.files:,} files, {totals.bytes:,} bytes, {totals.lines:,} lines: {totals.rows:,} rows out "
        f"and {totals.rejected:,} rejected, as the slow reader says, in {time.perf_counter() - start:.0f} s"
    )


if __name__ == "__main__":
    main()
