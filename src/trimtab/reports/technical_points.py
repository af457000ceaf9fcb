"""What technical documentation has to hold, point by point of Annex IV of Regulation (EU) 2024/1689, in our own words.

Each requirement is filled from one place: from what the platform stores (``source``), or from what a person wrote in
``documentation.yaml`` (``entry``). What asks for both is two requirements, so that it can be counted who owes what.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

__all__ = ["ARTICLES", "CHAPTERS", "REQUIREMENTS", "Article", "Requirement"]


@dataclass(frozen=True, slots=True)
class Requirement:
    """One thing that a ``point`` of the annex asks for; exactly one of ``source`` and ``entry`` is given.

    Raises:
        ValueError: both are given, or neither.
    """

    point: str
    asks: str
    source: str | None = None
    entry: str | None = None

    def __post_init__(self) -> None:
        if (self.source is None) is (self.entry is None):
            raise ValueError(f"requirement {self.point} ({self.asks}): give source or entry, one of them")

    @property
    def chapter(self) -> str:
        """The point's number: what stands before its letter."""
        return self.point.partition("(")[0]


@dataclass(frozen=True, slots=True)
class Article:
    """A duty from the body of the regulation, the points that answer it, and each part that an answer needs.

    One part on record is no answer to the whole duty: parts are shown one by one, what is missing as a gap.
    """

    number: str
    duty: str
    points: str
    sources: tuple[str, ...]
    entries: tuple[str, ...] = ()


CHAPTERS: Final = {
    "1": "General description of the system",
    "2": "Its elements, and how it was developed",
    "3": "Monitoring, functioning and control",
    "4": "Why these performance metrics",
    "5": "Risk management",
    "6": "Changes through its life",
    "7": "Standards",
    "8": "Declaration of conformity",
    "9": "Performance after it went into service",
}

REQUIREMENTS: Final = (
    Requirement("1(a)", "Intended purpose", entry="purpose.intended"),
    Requirement("1(a)", "Name of the provider", entry="provider.name"),
    Requirement("1(a)", "Version, and how it relates to those before", source="versions"),
    Requirement("1(b)", "Hardware, software and other AI systems it interacts with", entry="system.interacts_with"),
    Requirement("1(b)", "By which interfaces it is asked", source="interfaces"),
    Requirement("1(c)", "Versions of its software", source="software"),
    Requirement("1(c)", "Requirements related to updates", entry="system.updates"),
    Requirement("1(d)", "Forms in which it is put into service", source="forms"),
    Requirement("1(e)", "Hardware it is intended to run on", entry="system.hardware"),
    Requirement("1(f)", "As part of a product: its outside, marking and inner layout", entry="system.product"),
    Requirement("1(g)", "User interface", entry="system.user_interface"),
    Requirement("1(h)", "Instructions for use", entry="system.instructions"),
    Requirement("2(a)", "Methods and steps of its development", source="steps"),
    Requirement("2(a)", "Pre-trained systems and tools of third parties", entry="development.third_party"),
    Requirement("2(b)", "General logic and algorithm", source="algorithm"),
    Requirement("2(b)", "Key design choices, their reasons and assumptions", entry="development.design_choices"),
    Requirement("2(b)", "Persons or groups on whom it is to be used", entry="purpose.affected"),
    Requirement("2(b)", "What it is optimised for, and which parameters matter", source="objective"),
    Requirement("2(b)", "Expected output and its quality", source="output"),
    Requirement("2(b)", "Trade-offs made to meet the requirements", entry="development.trade_offs"),
    Requirement("2(c)", "How its components build on each other", source="architecture"),
    Requirement("2(c)", "Computational resources to develop, train and test it", source="compute"),
    Requirement("2(d)", "Data sets: size, span and provenance", source="data"),
    Requirement("2(d)", "Data sheet of the columns", source="columns"),
    Requirement("2(d)", "How the data were obtained and selected", entry="data.collection"),
    Requirement("2(d)", "Labelling procedures", entry="data.labelling"),
    Requirement("2(d)", "Data cleaning", source="cleaning"),
    Requirement("2(d)", "Known biases of the data", entry="data.known_biases"),
    Requirement("2(e)", "Assessment of the human oversight that is needed", entry="oversight.assessment"),
    Requirement("2(e)", "Technical means to interpret its output", source="interpretation"),
    Requirement("2(f)", "Changes that are triggered by rule", source="automatic_changes"),
    Requirement("2(f)", "How predetermined changes stay compliant", entry="predetermined_changes"),
    Requirement("2(g)", "Validation and testing procedures and their data", source="validation"),
    Requirement("2(g)", "Accuracy on data it had not seen", source="accuracy"),
    Requirement("2(g)", "Export parity: the served graph against the original", source="parity"),
    Requirement("2(g)", "Potentially discriminatory impacts", source="groups"),
    Requirement("2(g)", "Test logs", source="test_logs"),
    Requirement("2(g)", "Robustness, and further tests", entry="testing.procedures"),
    Requirement("2(g)", "Test reports dated and signed by those responsible", entry="testing.signed_by"),
    Requirement("2(h)", "Cybersecurity of model and platform", source="security"),
    Requirement("2(h)", "Cybersecurity around the platform", entry="cybersecurity"),
    Requirement("3", "Accuracy in production", source="live"),
    Requirement("3", "Limitations", entry="limitations"),
    Requirement("3", "Accuracy for groups of persons in production", source="live_groups"),
    Requirement("3", "Foreseeable unintended outcomes and sources of risk", entry="risks"),
    Requirement("3", "Human oversight: who has to agree to what", source="oversight"),
    Requirement("3", "Human oversight: who watches, with which authority", entry="oversight.responsible"),
    Requirement("3", "Specifications of input data", source="inputs"),
    Requirement("4", "Metrics and limits in use", source="metrics"),
    Requirement("4", "Why they are appropriate", entry="metrics_rationale"),
    Requirement("5", "The risk management system of Article 9", entry="risk_management"),
    Requirement("5", "Cases on record", source="cases"),
    Requirement("5", "Rules and limits of what the platform may do", source="policy"),
    Requirement("6", "Versions and releases", source="changes"),
    Requirement("6", "What the configuration was with each version", source="configurations"),
    Requirement("7", "Harmonised standards, or what was done instead", entry="standards"),
    Requirement("8", "Copy of the EU declaration of conformity", entry="declaration"),
    Requirement("9", "What is watched, how often, and who is told", source="monitors"),
    Requirement("9", "The post-market monitoring plan of Article 72(3)", entry="post_market_plan"),
)

ARTICLES: Final = (
    Article(
        "9", "Risk management through the whole life of the system", "5", ("cases", "policy"), ("risk_management",)
    ),
    Article(
        "10",
        "Data governance: fit, examined and documented data",
        "2(d)",
        ("data", "columns", "cleaning"),
        ("data.collection", "data.labelling", "data.known_biases"),
    ),
    Article("11", "Technical documentation, kept up to date", "1 to 9", ("this_document",)),
    Article("12", "Events are logged by the system itself", "2(g), 6", ("logging",)),
    Article(
        "13",
        "Deployers can interpret the output and use it properly",
        "1(g), 1(h), 2(e)",
        ("interpretation",),
        ("system.instructions", "limitations"),
    ),
    Article(
        "14",
        "Persons can oversee, and stop, the system",
        "2(e), 3",
        ("oversight",),
        ("oversight.assessment", "oversight.responsible"),
    ),
    Article(
        "15",
        "Accuracy, robustness and cybersecurity",
        "2(g), 2(h), 3",
        ("accuracy", "live", "security"),
        ("testing.procedures", "cybersecurity"),
    ),
    Article("19", "Logs are kept, for six months at least", "6", ("retention",)),
    Article(
        "72", "Performance is watched after the system went into service", "9", ("monitors",), ("post_market_plan",)
    ),
)
