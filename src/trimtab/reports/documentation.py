"""``documentation.yaml``: what only a person can write about a model, for its card and its technical documentation."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from trimtab.config.loading import Strict

__all__ = ["DOCUMENTATION_FILE", "DocumentationConfig"]

DOCUMENTATION_FILE = "documentation.yaml"
"""Its name in a model's folder; it may be missing, and then every entry is a gap."""

Text = Annotated[str, Field(max_length=20_000)]


class Provider(Strict):
    """Who places the system on the market, or puts it into service under their name."""

    name: Text = Field(default="", description="Name of the provider.")
    address: Text = Field(default="", description="Where they are.")
    contact: Text = Field(default="", description="How they are reached.")


class Purpose(Strict):
    """What the system is for."""

    intended: Text = Field(default="", description="What it is intended for, and in which setting.")
    users: Text = Field(default="", description="Who uses it.")
    affected: Text = Field(default="", description="Persons or groups about whom it answers.")
    not_for: Text = Field(default="", description="What it must not be used for.")


class System(Strict):
    """The system around the model."""

    interacts_with: Text = Field(default="", description="Hardware, software and other AI systems that it works with.")
    updates: Text = Field(default="", description="Requirements that come with updates of its software.")
    hardware: Text = Field(default="", description="Hardware that it is intended to run on.")
    product: Text = Field(default="", description="As part of a product: its photographs, marking and inner layout.")
    user_interface: Text = Field(default="", description="What its users see and do.")
    instructions: Text = Field(default="", description="Instructions for use, or where they are.")


class Development(Strict):
    """How it was made, as far as no file says it."""

    third_party: Text = Field(default="", description="Pre-trained systems or tools of others, and how they are used.")
    design_choices: Text = Field(default="", description="Key choices with their reasons and assumptions.")
    trade_offs: Text = Field(default="", description="What was weighed against what, to meet the requirements.")


class Data(Strict):
    """What no hash says of the data."""

    collection: Text = Field(default="", description="How they were obtained and selected.")
    labelling: Text = Field(default="", description="Who labelled them, and by which procedure.")
    known_biases: Text = Field(default="", description="Groups or cases that they hold too few of, or hold wrongly.")
    personal_data: Text = Field(
        default="", description="Personal data among them, and on which ground it is processed."
    )


class Oversight(Strict):
    """Human oversight."""

    assessment: Text = Field(default="", description="Which measures are needed, and why these suffice.")
    responsible: Text = Field(default="", description="Who watches it, with which training and authority.")


class Testing(Strict):
    """Tests beyond those that the platform ran."""

    procedures: Text = Field(default="", description="Tests of robustness and use that were done elsewhere.")
    signed_by: Text = Field(default="", description="Who is responsible for the test reports, and when they signed.")


class DocumentationConfig(Strict):
    """``documentation.yaml`` of a model: each entry is a text, and an empty one is a gap that is counted."""

    provider: Provider = Provider()
    purpose: Purpose = Purpose()
    system: System = System()
    development: Development = Development()
    data: Data = Data()
    oversight: Oversight = Oversight()
    testing: Testing = Testing()
    limitations: Text = Field(default="", description="Where it answers badly, and should not be relied on.")
    risks: Text = Field(
        default="", description="Foreseeable unintended outcomes; risks to health, safety, rights, of discrimination."
    )
    ethics: Text = Field(default="", description="Further considerations for the model card.")
    metrics_rationale: Text = Field(default="", description="Why these metrics are the right ones for the purpose.")
    risk_management: Text = Field(default="", description="The risk management system of Article 9, or where it is.")
    predetermined_changes: Text = Field(
        default="", description="Changes that were settled beforehand, and how they stay compliant."
    )
    cybersecurity: Text = Field(default="", description="Measures around the platform: network, secrets, staff.")
    standards: Text = Field(default="", description="Harmonised standards applied, or what was done instead.")
    declaration: Text = Field(default="", description="The EU declaration of conformity, or where its copy is.")
    post_market_plan: Text = Field(default="", description="The post-market monitoring plan of Article 72(3).")

    def text_of(self, entry: str) -> str:
        """Return an entry by its dotted name, without the blanks around it.

        Raises:
            AttributeError: there is no such entry.

        >>> DocumentationConfig(provider=Provider(name=" Clinic ")).text_of("provider.name")
        'Clinic'
        """
        found: object = self
        for part in entry.split("."):
            found = getattr(found, part)
        return str(found).strip()
