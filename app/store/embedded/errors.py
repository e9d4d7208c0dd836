"""What can keep the embedded database from running; each is one line for the terminal."""


class EmbeddedError(Exception):
    """The embedded database cannot run here; the text is one line: the place, why, what to do."""


class AlreadyRunningError(EmbeddedError):
    """Another service holds this state directory."""
