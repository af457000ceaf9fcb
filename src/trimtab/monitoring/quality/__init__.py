"""Whether predictions are good: measured on labels, however late they come, and estimated without them."""
