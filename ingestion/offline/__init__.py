"""The offline pipeline: posts collected as partitioned Parquet files, for later training."""
