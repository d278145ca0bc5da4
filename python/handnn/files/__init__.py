"""Files: tables in CSV and Parquet files, strictly read, and models that are trained on them."""
