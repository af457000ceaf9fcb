"""Stories that the demo can play, beside the one of the whole loop."""
