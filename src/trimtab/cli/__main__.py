"""``trimtab`` as a program: Ctrl-C ends it without a traceback from its very first moment on."""

from __future__ import annotations

import signal

__all__ = ["main"]


def main() -> None:
    """Run the command line."""
    # Python would print a traceback for a Ctrl-C while modules are still being imported; the system does not.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    # Start-up: only from here on is there anybody who answers Ctrl-C.
    from trimtab.cli.interrupts import listen
    from trimtab.cli.main import main as run
    from trimtab.config.process import end_quickly

    listen()
    end_quickly()
    run()


if __name__ == "__main__":
    main()
