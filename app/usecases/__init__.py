"""The order of events: use cases own transactions; no HTTP, no SQL, no arithmetic."""
