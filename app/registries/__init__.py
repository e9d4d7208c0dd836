"""Room 4: registries; nothing has moved in yet."""
