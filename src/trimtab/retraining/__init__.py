"""Triggers: conditions under which a model should be trained again."""
