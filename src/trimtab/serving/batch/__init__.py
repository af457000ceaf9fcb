"""Predictions for whole files: Parquet, CSV or images in, one answer a row out, in parallel and resumable."""
