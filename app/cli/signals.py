"""What ends a process in order: an interrupt, a request, and the end of its terminal."""

import signal


def endings() -> tuple[signal.Signals, ...]:
    """Give the signals that end this process; SIGHUP only where it is not ignored, as by nohup."""
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        return (signal.SIGINT, signal.SIGTERM)
    return (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
