"""From a snapshot to a bundle: split, tune, fit, evaluate, export."""
