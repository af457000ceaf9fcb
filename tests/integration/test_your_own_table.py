"""What "Your own table in ten minutes" tells a reader to type, typed in its order."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

from tests.integration.processes import eventually, process, trimtab

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "your-own-table.md"
_MODEL = Path("models") / "german-credit"


def commands(page: str) -> Iterator[list[str]]:
    """Yield the words of each command in the page's shell blocks; one whose quote is open goes on in the next line."""
    for block in re.findall(r"^```sh\n(.*?)^```", page, flags=re.MULTILINE | re.DOTALL):
        pending = ""
        for line in block.splitlines():
            pending = f"{pending}\n{line}" if pending else line
            try:
                words = shlex.split(pending)
            except ValueError:
                continue
            pending = ""
            yield words


def small(project: Path) -> None:
    """Make what the page made quick to run: free ports, and as few trials as there can be."""
    settings = project / "trimtab.yaml"
    settings.write_text(settings.read_text().replace("8765", "0").replace("8766", "0"))
    training = project / _MODEL / "training_config.yaml"
    text = training.read_text().replace("trials: 8", "trials: 1").replace("{folds: 5}", "null")
    training.write_text("\n".join(line for line in text.splitlines() if "boost" not in line and "forest" not in line))


def test_the_page_does_what_it_says_from_its_first_command_to_its_last(tmp_path: Path) -> None:
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    todo = list(commands(PAGE.read_text(encoding="utf-8")))
    assert [words[1] for words in todo if words[0] == "trimtab"][:3] == ["init", "up", "train"]
    init, change, up, *rest = todo
    assert (change, up) == (["cd", "loans"], ["trimtab", "up"])
    project, said = tmp_path / "loans", ""
    made = trimtab(*init[1:], cwd=tmp_path)
    assert made.code == 0, made.err
    assert "20 features, 1000 rows" in made.out
    small(project)

    with process("-m", "trimtab.cli", "up", "--project", project, log=tmp_path / "up.log"):
        eventually(lambda: "Ctrl-C" in (tmp_path / "up.log").read_text(), within_s=60, wanted="processes that are up")
        for _, *words in rest:
            asked = re.search(r"approvals approve (\S+)", said)
            done = trimtab(
                *(asked[1] if word == "REQUEST" and asked else word for word in words), cwd=project, timeout_s=240
            )
            assert done.code == 0, f"{words}: {done.err}"
            said = done.out

    assert "a training runs" in said or "version 2" in said
