"""A scoring process as its parent sees it: started as a program of its own, asked, killed.

Never a fork: a copy of a process with threads may hang on a lock nobody holds. The child gets a
bare environment, so no password of the parent's, and a libgomp where the system has none.
"""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from ctypes.util import find_library
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from app.scoring.process_frames import Message, PipeError, receive_frame, send_frame

START_S: Final = 60.0
"""How long a child may take to import what it needs, in seconds: a cold disk takes several."""

_LEFT_OUT: Final = ("pandas", "sklearn", "pyarrow", "dask", "distributed", "matplotlib")
"""What LightGBM imports if it is there and a scoring process has no use for: 100 MB and 2 s."""

_PROGRAM: Final = (
    f"import sys; sys.modules.update(dict.fromkeys({_LEFT_OUT!r}));"
    " from app.scoring.process_child import run; run()"
)
_PASSED: Final = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "SYSTEMROOT")
_ONE_THREAD: Final = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
_FEW_ROWS: Final = {"POLARS_MAX_THREADS": "1"}
"""A training uses the cores there are; on a few customers, threads only wait for each other."""
_LIBGOMP: Final = "libgomp.so.1"
_GONE_S: Final = 10.0


class Link:
    """One child, from start to end; for one thread at a time."""

    def __init__(self, cpu_seconds: int = 0, program: str = _PROGRAM) -> None:
        """Start a child and wait until it is ready; `cpu_seconds` limits it (0: not).

        Raises:
            PipeError: It did not start.

        """
        self._folder = Path(tempfile.mkdtemp(prefix="aval-scoring-"))
        ours, theirs = socket.socketpair()
        self._sock = ours
        try:
            with theirs:
                handle = str(theirs.fileno())
                self._process = subprocess.Popen(  # noqa: S603 - our own program
                    [sys.executable, "-P", "-c", program, handle, str(cpu_seconds)],
                    env=child_environment(self._folder) | _FEW_ROWS,
                    pass_fds=[theirs.fileno()],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    start_new_session=True,
                )
            share_niceness(self._process.pid)
            self.library = str(receive_frame(ours, time.monotonic() + START_S)["ready"])
        except (OSError, KeyError) as error:
            self.kill()
            raise PipeError(f"the scoring process did not start: {error}") from error
        except PipeError:
            self.kill()
            raise

    @property
    def pid(self) -> int:
        """The child's process id."""
        return self._process.pid

    def alive(self) -> bool:
        """Tell whether the child still runs."""
        return self._process.poll() is None

    def ask(self, message: Message, timeout_s: float) -> Message:
        """Send a message and wait for its answer; after a failure the link is of no more use.

        Raises:
            PipeError: The child is gone or was not done in time.

        """
        until = time.monotonic() + timeout_s
        send_frame(self._sock, message, until)
        return receive_frame(self._sock, until)

    def kill(self) -> None:
        """End the child at once and clear away what was made for it; a second time does nothing."""
        process = getattr(self, "_process", None)
        if process is not None:
            with suppress(ProcessLookupError):
                process.kill()
            process.wait(_GONE_S)
        self._sock.close()
        shutil.rmtree(self._folder, ignore_errors=True)


def share_niceness(pid: int) -> None:
    """Make a process, a session of its own, as nice towards other sessions as this one is.

    Its own niceness it has from us, but where Linux shares processors between sessions first, that
    counts within its session only.
    """
    with suppress(OSError, IndexError):  # not everywhere, and empty for who never had a session
        nice = Path("/proc/self/autogroup").read_text(encoding="ascii").split()[-1]
        if nice != "0":
            be_nice(Path(f"/proc/{pid}/autogroup"), nice)


def be_nice(autogroup: Path, nice: str) -> None:
    """Write how nice a session is; of all machine's processes one may in a tenth of a second.

    Raises:
        OSError: It cannot be told here.

    """
    try:
        autogroup.write_text(nice, encoding="ascii")
    except BlockingIOError:
        time.sleep(0.15)
        autogroup.write_text(nice, encoding="ascii")


def child_environment(folder: Path, *, has_libgomp: bool | None = None) -> dict[str, str]:
    """Make the environment of a process that imports LightGBM; `folder` is its own.

    Where the system has no libgomp (None: look), as in a slim image, `folder` gets a link to the
    one that a wheel carries (scikit-learn's), and the dynamic loader is told to look there.
    """
    found = {name: os.environ[name] for name in _PASSED if name in os.environ} | _ONE_THREAD
    has = _system_has_libgomp() if has_libgomp is None else has_libgomp
    carried = None if has else carried_libgomp()
    if carried is not None:
        (folder / _LIBGOMP).symlink_to(carried)
        found["LD_LIBRARY_PATH"] = str(folder)
    return found


@cache
def _system_has_libgomp() -> bool:
    return find_library("gomp") is not None


def carried_libgomp() -> Path | None:
    """Find a libgomp that came with a wheel, without importing anything."""
    spec = find_spec("lightgbm")
    if spec is None or spec.origin is None:
        return None
    packages = Path(spec.origin).parents[1]
    return next(iter(sorted(packages.glob("*.libs/libgomp-*.so*"))), None)


@cache
def library_version() -> str:
    """Read the version of LightGBM that children will import, without importing it."""
    return version("lightgbm")
