"""The files in fixtures/ are what the script beside them writes."""

import gzip
import subprocess
import sys
from pathlib import Path

import pyarrow.csv
import pyarrow.parquet
import pytest

FIXTURES = Path(__file__).parents[1] / "fixtures"


@pytest.fixture(scope="module")
def fresh(tmp_path_factory):
    """Write the fixtures anew and return their folder."""
    folder = tmp_path_factory.mktemp("fixtures")
    subprocess.run([sys.executable, str(FIXTURES / "make_fixtures.py"), str(folder)], check=True)
    return folder


def test_the_script_writes_the_files_that_are_here(fresh):
    written = {file.relative_to(fresh) for file in fresh.glob("*/*")}
    assert written == {file.relative_to(FIXTURES) for file in FIXTURES.glob("taxi*/*")}


def test_csv_files_are_the_same_bytes(fresh):
    files = sorted(FIXTURES.glob("taxi/*.csv-*"))
    assert len(files) == 5
    assert [f.name for f in files if f.read_bytes() != (fresh / "taxi" / f.name).read_bytes()] == []


def test_gzip_sample_is_the_same_text(fresh):
    # The packed bytes may differ between versions of zlib.
    name = "taxi/sample_with_header.csv.gz"
    assert gzip.decompress((fresh / name).read_bytes()) == gzip.decompress((FIXTURES / name).read_bytes())


def test_parquet_files_hold_the_rows_of_the_csv_files():
    for file in sorted(FIXTURES.glob("taxi_parquet/*.parquet")):
        parquet = pyarrow.parquet.ParquetFile(file)
        table = parquet.read()
        columns = pyarrow.csv.ReadOptions(column_names=table.column_names)
        types = dict.fromkeys(table.column_names[:6], pyarrow.float64())
        types |= dict.fromkeys(table.column_names[6:], pyarrow.string())
        convert = pyarrow.csv.ConvertOptions(column_types=types, strings_can_be_null=True)
        shard = FIXTURES / "taxi" / file.stem.replace("-", ".csv-", 1)
        rows = pyarrow.csv.read_csv(shard, read_options=columns, convert_options=convert)
        assert table.cast(rows.schema).equals(rows)
        assert parquet.num_row_groups == 4
