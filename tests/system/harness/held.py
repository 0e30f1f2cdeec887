"""A file that whoever opens it has to wait for, as on a file system that does not answer: the
kernel asks us for permission (fanotify(7)), and we say nothing."""
import contextlib
import ctypes
import os
import select
import signal
import struct

CLASS_CONTENT, CLOEXEC = 0x04, 0x01
MARK_ADD, OPEN_PERM = 0x01, 0x00010000
AT_FDCWD = -100
PTRACE_SEIZE, WALL = 0x4206, 0x40000000
EVENT = struct.Struct("IBBHQii")  # struct fanotify_event_metadata


class Held:
    def __init__(self, fd):
        self.fd = fd

    def wait_opener(self, timeout_s=60):
        """Somebody wants to open it, and waits from now on: whose process it is."""
        poll = select.poll()
        poll.register(self.fd, select.POLLIN)
        assert poll.poll(timeout_s * 1000), "nobody opened it"
        *_, file, pid = EVENT.unpack(os.read(self.fd, EVENT.size))
        os.close(file)
        assert pid > 0, "who opened it is in another namespace of processes"
        return pid

    def release(self):
        """Whoever waits goes on."""
        if self.fd >= 0:
            os.close(self.fd)
        self.fd = -1


def hold(path):
    """Until release(); OSError where the kernel does not let us."""
    libc = ctypes.CDLL(None, use_errno=True)
    fd = libc.fanotify_init(CLASS_CONTENT | CLOEXEC, os.O_RDONLY)
    if fd >= 0 and libc.fanotify_mark(fd, MARK_ADD, ctypes.c_uint64(OPEN_PERM), AT_FDCWD,
                                      os.fsencode(path)) == 0:
        return Held(fd)
    errno = ctypes.get_errno()
    if fd >= 0:
        os.close(fd)
    raise OSError(errno, os.strerror(errno), "fanotify")


@contextlib.contextmanager
def held(path):
    one = hold(path)
    try:
        yield one
    finally:
        one.release()


@contextlib.contextmanager
def undying(pid):
    """A process that is killed, but does not end: as one that waits where no signal reaches it."""
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.ptrace(PTRACE_SEIZE, pid, None, None) == 0, os.strerror(ctypes.get_errno())
    try:
        yield
    finally:  # what a tracer has not seen of its death, nobody else sees
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        while not os.WIFSIGNALED(os.waitpid(pid, WALL)[1]):
            pass


def why_not(folder):
    """Why files of this folder cannot be held, or ""."""
    file = folder / "whether it can be held"
    file.touch()
    try:
        hold(file).release()
    except OSError as fault:
        return f"no file can be held: {fault}"
    return ""
