"""``python -m trimtab.api --project FOLDER``: the control plane as a process."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import structlog

from trimtab.api.server import serve
from trimtab.bootstrap import build_conductor, build_platform
from trimtab.config.database import database_url
from trimtab.config.logs import configure_logs
from trimtab.config.process import end_quickly
from trimtab.config.project import ProjectFolder
from trimtab.core.errors import BackendError, TrimtabError
from trimtab.loop.platform import Platform

_log = structlog.get_logger("trimtab.api")

_WAIT_S = 2.0


def main() -> int:
    """Serve until told to stop; return 2 when the configuration does not allow it."""
    parser = argparse.ArgumentParser(prog="trimtab-control-plane", description=__doc__)
    parser.add_argument("--project", type=Path, required=True)
    parser.add_argument("--log-format", choices=["json", "console"], default="json")
    arguments = parser.parse_args()
    configure_logs(arguments.log_format, process="control-plane")
    end_quickly()
    try:
        platform = _platform(ProjectFolder.open(arguments.project))
        api = platform.project.config.api
        serve(platform, build_conductor(platform), host=api.host, port=api.port)
    except TrimtabError as error:
        _log.error("control-plane.refused", error=str(error))
        return 2
    return 0


def _platform(folder: ProjectFolder) -> Platform:
    """Build the platform; wait for a database server that is away, since predictions go on being served meanwhile."""
    while True:
        try:
            return build_platform(folder)
        except BackendError as error:
            if database_url() is None:
                raise
            _log.warning("control-plane.waiting", error=str(error))
            time.sleep(_WAIT_S)


if __name__ == "__main__":
    sys.exit(main())
