from __future__ import annotations

from pathlib import Path

from trimtab.config.memory import available_bytes


def test_a_container_has_what_its_limit_leaves_and_what_the_kernel_would_drop(tmp_path: Path) -> None:
    (tmp_path / "memory.max").write_text("4000000\n")
    (tmp_path / "memory.current").write_text("3900000\n")
    assert available_bytes(tmp_path) == 100_000

    (tmp_path / "memory.stat").write_text("anon 500000\nfile 3400000\ninactive_file 3000000\n")
    assert available_bytes(tmp_path) == 3_100_000


def test_a_container_without_a_limit_has_what_the_machine_has(tmp_path: Path) -> None:
    (tmp_path / "memory.max").write_text("max\n")
    (tmp_path / "memory.current").write_text("3900000\n")
    left = available_bytes(tmp_path)
    assert left is not None
    assert left > 0
