"""Model versions: the truth in our table, the adopted bundles, and their projection into MLflow."""
