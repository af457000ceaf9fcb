"""A file is the old one or the new one, whatever happens to the writer."""

import hashlib
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from trimtab.files import sha256_of_file, write_atomically


def test_content_replaces_what_stood_there_and_parents_are_made(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "file.json"
    write_atomically(path, b"one")
    write_atomically(path, b"two", mode=0o600)
    assert path.read_bytes() == b"two"
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(path.parent.iterdir()) == [path]


_ENDLESS = """
import sys
from pathlib import Path
from trimtab.files import write_atomically
path = Path(sys.argv[1])
while True:
    for letter in (b"a", b"b"):
        write_atomically(path, letter * 2_000_000)
"""


@pytest.mark.parametrize("wait_s", [0.0, 0.013, 0.029])
def test_a_writer_killed_in_the_middle_leaves_a_whole_file(tmp_path: Path, wait_s: float) -> None:
    path = tmp_path / "file"
    with subprocess.Popen([sys.executable, "-c", _ENDLESS, str(path)]) as process:
        deadline = time.monotonic() + 30
        while not path.exists() and time.monotonic() < deadline:
            time.sleep(0.002)
        time.sleep(wait_s)
        process.send_signal(signal.SIGKILL)
    assert path.read_bytes() in {b"a" * 2_000_000, b"b" * 2_000_000}


_DISK_FULL = """
import resource, signal, sys
from pathlib import Path
from trimtab.files import write_atomically
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    write_atomically(Path(sys.argv[1]), b"x" * 5000)
except OSError:
    sys.exit(7)
"""


def test_when_the_bytes_do_not_fit_the_old_file_stays_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_atomically(path, b"old")
    assert subprocess.run([sys.executable, "-c", _DISK_FULL, str(path)], check=False).returncode == 7
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_cannot_be_written_is_an_os_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OSError, match="file"):
        write_atomically(tmp_path / "file" / "below", b"x")
    with pytest.raises(OSError, match="proc"):
        write_atomically(Path("/proc/trimtab-test"), b"x")


def test_digest_is_that_of_the_bytes(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"abc" * 100_000)
    assert sha256_of_file(path) == hashlib.sha256(b"abc" * 100_000).hexdigest()


_TOO_LARGE = """
import resource, signal, sys
from pathlib import Path
from trimtab.files import write_atomically
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    write_atomically(Path(sys.argv[1]), b"x" * 2000)
except OSError as error:
    print(error.filename)
"""


def test_a_file_that_finds_no_room_is_named_and_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "file.json"
    told = subprocess.run([sys.executable, "-c", _TOO_LARGE, str(path)], capture_output=True, text=True, check=True)
    assert told.stdout == f"{path}\n"
    assert list(tmp_path.iterdir()) == []
