"""What each kind of action does: one handler a kind, all under one contract."""
