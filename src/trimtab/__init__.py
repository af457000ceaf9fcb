"""Trimtab keeps machine-learning models on course after they are deployed."""

__version__ = "0.1.0"
