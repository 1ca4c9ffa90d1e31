"""A short run of the fuzzer over mangled Parquet files, and what it has found."""

from tests.fuzz.parquet_fuzz import run

FOUND = {
    157: "statistics of another size than the footer says, over which Arrow ends the process",
    500953: "a column of another type than the schema says, over which Arrow ends the process too",
    813: "codes beyond the end of a dictionary",
}


def failures(results):
    return [result for result in results if result["outcome"] == "failed"]


def test_mangled_files_neither_crash_nor_lose_rows_unseen():
    results = run(first=0, variants=150, seconds=120.0)
    assert failures(results) == []
    assert len(results) == 150
    assert {result["outcome"] for result in results} == {"lost", "refused", "whole", "changed"}


def test_what_was_found_stays_found():
    for seed in FOUND:
        (result,) = run(seed, 1)
        assert result["outcome"] in ("lost", "refused")


def test_values_of_pages_with_checksums_do_not_change_unseen():
    results = run(first=10_000, variants=150, seconds=120.0)
    pages = [r for r in results if r.get("sums") and r["kind"] in ("pages", "zeros", "hole", "move")]
    assert [r for r in pages if r.get("changed")] == []
    assert any(r["outcome"] == "lost" for r in pages)
