"""Features that a model takes from an online store, by the keys of the entity that a row is about."""
