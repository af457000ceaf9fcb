"""The inference server, with its own composition root."""
