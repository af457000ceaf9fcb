"""Zones, data contracts, dataset versions, queues, ingest."""
