"""Random faults under a random load, from a seed; `make torture MINUTES=30`."""
