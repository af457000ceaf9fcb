"""Messages to people: routed by severity and model, stored with what they tell of, sent and retried."""
