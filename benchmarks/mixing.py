"""How well shuffle buffers mix rows that come sorted.

    python benchmarks/mixing.py [--short]

The figures of buffers are those of `dataflow.shuffle_mixing`; those of ``shuffle("global")`` are taken from
the rows that it gives. They depend on the seed alone, not on the machine.
"""

from __future__ import annotations

import numpy as np

from dataflow import Dataset, Mixing, shuffle_mixing
from report import write_section
from running import parser

BATCH = 128
BUFFERS = (1_000, 10_000, 100_000)


def global_mixing(rows: int, seed: int) -> Mixing:
    """Return the figures of the order that ``shuffle("global")`` gives to sorted rows."""
    came = np.concatenate(list(Dataset.range(rows).shuffle("global", seed=seed).batch(1 << 16)))
    places = np.arange(rows)
    labels = came >= rows // 2
    shares = labels[: rows // BATCH * BATCH].reshape(-1, BATCH).mean(axis=1)
    uniform = np.sqrt(0.25 / BATCH * (rows - BATCH) / (rows - 1))
    return Mixing(
        rows=rows,
        buffer_size=rows,
        rank_correlation=float(np.corrcoef(came, places)[0, 1]),
        displacement=float(np.abs(came - places).mean() / (rows / 3)),
        label_spread=float(np.sqrt(np.square(shares - 0.5).mean()) / uniform),
    )


def main() -> None:
    """Print the figures, and write the section of RESULTS.md."""
    arguments = parser(__doc__.splitlines()[0]).parse_args()
    rows = 100_000 if arguments.short else 1_000_000
    found = {f"shuffle({size:,})": shuffle_mixing(rows, size, seed=1) for size in BUFFERS if size < rows}
    found['shuffle("global")'] = global_mixing(rows, seed=1)
    text = f"""{rows:,} rows that come sorted.

| | rank correlation | mean displacement | spread of a label over batches of {BATCH} |
|---|---|---|---|
| uniform shuffle | 0 | 1 | 1 |
"""
    for name, mixing in found.items():
        figures = (mixing.rank_correlation, mixing.displacement, mixing.label_spread)
        text += f"| {name} | " + " | ".join(f"{round(figure, 3) + 0.0:.3f}" for figure in figures) + " |\n"
    text += """
Rank correlation compares the places before and after (1: order kept). Displacement is how far rows move; the
label is 0 in the first half of the rows and 1 in the second. Both are given over those of a uniform shuffle.
"""
    print(text)
    if not arguments.short:
        write_section("Mixing: what a shuffle buffer does to sorted rows", text)


if __name__ == "__main__":
    main()
