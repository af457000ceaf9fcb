"""Contract suites, builders and small real models for tests."""
