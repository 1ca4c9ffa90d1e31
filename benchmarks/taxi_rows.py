"""Generated taxi trips of any number, as sharded CSV."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv

COLUMNS = (
    "fare_amount",
    "pickup_longitude",
    "pickup_latitude",
    "dropoff_longitude",
    "dropoff_latitude",
    "passengers",
    "key",
)
CHUNK = 250_000
"""Rows made and written at a time, so that memory does not grow with the file."""


def make_rows(rng: np.random.Generator, n: int) -> pa.Table:
    """Make `n` trips whose fare in dollars follows their distance.

    The key is the pick-up time, to the nanosecond.
    """
    lon1, lon2 = np.round(-73.983 + 0.03 * rng.standard_normal((2, n)), 6)
    lat1, lat2 = np.round(40.752 + 0.03 * rng.standard_normal((2, n)), 6)
    km = np.hypot((lon2 - lon1) * 84.3, (lat2 - lat1) * 111.2)
    fare = np.round((3.0 + 2.1 * km + rng.standard_normal(n)).clip(2.5), 2)
    second = np.datetime64("2013-01-01", "s") + rng.integers(0, 365 * 86400, n).astype("timedelta64[s]")
    key = second.astype("datetime64[ns]") + rng.integers(0, 1000, n).astype("timedelta64[ns]")
    # As a decimal 9 is written "9.00"; as a double it would be "9".
    fares = pa.array(fare).cast(pa.decimal128(9, 2))
    return pa.table([fares, lon1, lat1, lon2, lat2, rng.integers(1, 7, n), pa.array(key)], names=COLUMNS)


def write_taxi_csv(directory: str | Path, rows: int, shards: int = 1, seed: int = 0) -> list[Path]:
    """Write `rows` trips without header to `shards` local files of equal length, and return their paths.

    The same arguments give the same rows. Existing files of the same names are overwritten.
    """
    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    options = pyarrow.csv.WriteOptions(include_header=False, quoting_style="none")
    paths = [directory / f"taxi.csv-{shard:05d}-of-{shards:05d}" for shard in range(shards)]
    for shard, path in enumerate(paths):
        rng = np.random.default_rng([seed, shard])
        left = rows * (shard + 1) // shards - rows * shard // shards
        with path.open("wb") as file:
            while left > 0:
                n = min(left, CHUNK)
                pyarrow.csv.write_csv(make_rows(rng, n), file, options)
                left -= n
    return paths
