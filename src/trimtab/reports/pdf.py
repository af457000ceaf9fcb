"""A report as PDF, made by a process of its own: ``python pdf.py IN.html OUT.pdf``.

WeasyPrint takes seconds to import and reads whatever a page asks for: so it runs in a process that ends, under limits,
without the network, and nothing of the platform imports it. This module needs nothing of Trimtab, so that any
interpreter that has WeasyPrint can run it.
"""

from __future__ import annotations

import importlib
import json
import os
import resource
import sys
from pathlib import Path
from typing import Any, Final

__all__ = ["CPU_S", "FILE_BYTES", "MEMORY_BYTES", "main"]

CPU_S: Final = 35
MEMORY_BYTES: Final = 1 << 30
"""Of address space, of which most is never touched: libraries and fonts are mapped into it."""
FILE_BYTES: Final = 64 << 20


def main(page: Path, target: Path) -> None:
    """Write ``page`` to ``target`` as PDF, whole or not at all, and print what came of it as one line of JSON.

    That is ``{"pages": n, "size_bytes": m}``, or why there is none: ``{"missing": …}`` without WeasyPrint or a library
    that it needs, ``{"error": …}`` where it failed. The same page gives the same bytes.
    """
    _limit(resource.RLIMIT_CPU, CPU_S)
    _limit(resource.RLIMIT_AS, MEMORY_BYTES)
    _limit(resource.RLIMIT_FSIZE, FILE_BYTES)
    _limit(resource.RLIMIT_CORE, 0)
    try:
        told = _printed(page, target)
    except ImportError as error:
        told = {"missing": str(error)[:300]}
    except OSError as error:
        # Without Pango the import itself ends so.
        missing = "cannot load library" in str(error)
        told = {"missing" if missing else "error": f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"}
    except Exception as error:  # noqa: BLE001 - a boundary: whoever waits is told, whatever it is
        told = {"error": f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"}
    sys.stdout.write(json.dumps(told) + "\n")


def _printed(page: Path, target: Path) -> dict[str, Any]:
    # An optional extra, and only in this process.
    library, urls = importlib.import_module("weasyprint"), importlib.import_module("weasyprint.urls")
    # What a page may hold stands in it: neither files of this machine nor anything of the network is read.
    fetcher = urls.URLFetcher(allowed_protocols=["data"])
    document = library.HTML(string=page.read_text("utf-8"), base_url="about:blank", url_fetcher=fetcher).render()
    content = document.write_pdf()
    partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
    try:
        partial.write_bytes(content)
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
    return {"pages": len(document.pages), "size_bytes": len(content)}


def _limit(what: int, most: int) -> None:
    _soft, hard = resource.getrlimit(what)
    bound = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(what, (bound, bound))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
