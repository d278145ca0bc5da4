"""Read CSV and Parquet files strictly, block by block."""
