"""Inside of `dataflow.csv_format`: records and their errors, exact rules in plain Python, growing columns."""
