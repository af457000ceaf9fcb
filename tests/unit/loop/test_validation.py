"""Validation tells everything that is wrong, not only the first file's fault."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.integration.small_project import FILES, make_project

from trimtab.loop.validation import validate_project


def test_a_fault_in_the_project_file_hides_no_other(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    (project / "trimtab.yaml").write_text(FILES["trimtab.yaml"].replace("api:", "apis:"))
    (project / "models/churn/contract.yaml").write_text("colums: {}\n")
    problems = validate_project(project)
    assert [problem.partition(":")[0] for problem in problems] == [
        str(project / "trimtab.yaml"),
        str(project / "models/churn/contract.yaml"),
        str(project / "models/churn/contract.yaml"),
    ]


@pytest.mark.parametrize("content", ["", "# rules come later\n", "---\n", "{}\n"])
def test_an_empty_policy_is_refused_since_it_may_be_a_mistake(tmp_path: Path, content: str) -> None:
    project = make_project(tmp_path)
    (project / "policy.yaml").write_text(content)
    (problem,) = validate_project(project)
    assert "is empty; expected rules; write 'rules: []'" in problem
    (project / "policy.yaml").write_text("rules: []\n")
    assert validate_project(project) == []
