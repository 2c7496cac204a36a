//! Rows to Parquet files and Delta commits, claims, fold-back.
