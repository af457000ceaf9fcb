"""Pure mathematics: metrics, distances, tests, estimators."""
