"""Room 4: messaging; nothing has moved in yet."""
