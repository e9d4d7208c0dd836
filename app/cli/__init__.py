"""The same use cases from the terminal: `aval …`. Reads files and arguments, decides nothing."""
