"""A file that whoever opens it has to wait for, as on a file system that does not answer: the
kernel asks us for permission (fanotify(7)), and we say nothing."""
import contextlib
import ctypes
import os
import select
import struct

CLASS_CONTENT, CLOEXEC = 0x04, 0x01
MARK_ADD, OPEN_PERM = 0x01, 0x00010000
AT_FDCWD = -100
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


def why_not(folder):
    """Why files of this folder cannot be held, or ""."""
    file = folder / "whether it can be held"
    file.touch()
    try:
        hold(file).release()
    except OSError as fault:
        return f"no file can be held: {fault}"
    return ""
