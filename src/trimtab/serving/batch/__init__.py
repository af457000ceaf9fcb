"""Predictions for whole files: Parquet and CSV in, one answer a row out, in parallel and resumable."""
