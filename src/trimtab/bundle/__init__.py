"""The portable package of one model version: write, read, verify, run."""
