"""Files of a watched folder: csv, jsonl and Parquet."""
