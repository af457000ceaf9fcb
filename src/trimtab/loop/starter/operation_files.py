"""Writes a proposal's files for after the training: deployment, monitoring, retraining; and the project's own."""

from __future__ import annotations

from trimtab.core.enums import Task
from trimtab.loop.starter.wishes import Plan
from trimtab.loop.starter.wording import comment, scalar

__all__ = ["deployment_file", "monitoring_file", "policy_file", "project_file", "retrain_file"]

_BUSY_PER_DAY, _DAILY_PER_DAY = 500.0, 50.0

_DEPLOYMENT = """\
# How a new version takes over. A first version has nothing to be compared with: after its smoke test it serves.
strategy:
  type: canary
  steps:  # share of the traffic, at least so long, and after so many requests to the new version
    - {weight_pct: 20, duration: 1m, min_requests: 20}
    - {weight_pct: 50, duration: 1m, min_requests: 20}  # with real traffic: 30m and 1000
  limits:  # beyond one, the old version has all traffic again at once; each step waits until they are known to hold
    max_error_rate: 0.05  # known after some 110 answers of the new version without an error; 0.01 takes 550
    max_latency_p95_ms: 250
    max_error_ratio: 1.5  # times the errors of the old version, in the same time
    max_latency_increase: 0.2  # at most 20 % slower than the old version: known after 800 to 2000 requests to both
  max_hold: 2m  # without enough requests to know for so long, a person is asked (trimtab rollouts promote)
approval: {required: true}  # trimtab versions approve, before it goes out
"""

_POLICY = """\
# What is done about trouble. Rules are asked in order; the first that matches decides. None matches: a person decides.
# Deploying, retraining and going back never happen without an approval, whatever a rule says; trouble of level high is
# escalated besides. "trimtab policy explain INCIDENT" says which rules were asked, and why each did or did not match.
autonomy: true  # false, in an emergency: what would run by itself waits for approval
limits:
  cooldown: 1h  # between two actions of a kind on one model
  actions_per_day: 10
rules:
  # What came was wrong: it is mended where it comes from, and nothing is learnt from it.
  - name: Little trouble with the data is written down, and its sender is told
    when: {origin: incident, diagnosis: [data_outage, unit_change, upstream_schema_change], level: low}
    then: {actions: [log, notify_owner], tier: automatic}

  - name: A feed that sends nothing, other units or another shape is set aside once a person agrees
    when: {origin: incident, diagnosis: [data_outage, unit_change, upstream_schema_change]}
    then: {actions: [quarantine_feed, notify_owner], tier: approval}

  - name: A feed whose rows are as they were is trusted again once a person agrees
    when: {origin: incident, action: release_feed}
    then: {tier: approval}

  - name: A trigger does not retrain a model while its data, its labels or its newest release are wrong
    when:
      origin: trigger
      action: retrain
      open_diagnosis: [data_outage, unit_change, upstream_schema_change, label_problem, bad_release]
    then: {tier: refuse}

  - name: Outcomes that cannot be right are looked at by people before anything is learnt from them
    when: {origin: incident, diagnosis: label_problem}
    then: {actions: [open_labelling, notify_owner], tier: automatic}

  # What answers is at fault.
  - name: A release that made things worse is taken back once a person agrees
    when: {origin: incident, diagnosis: bad_release}
    then: {actions: [roll_back], tier: approval}

  - name: A service that is a little slow gets more workers by itself
    when: {origin: incident, diagnosis: latency, level: low}
    then: {actions: [scale, log], tier: automatic}

  - name: A service that is slow gets more workers by itself, and those on call hear of it
    when: {origin: incident, diagnosis: latency, level: medium}
    then: {actions: [scale, escalate], tier: automatic}

  - name: A service that answers hardly anybody gets more workers once a person agrees
    when: {origin: incident, diagnosis: latency}
    then: {actions: [scale], tier: approval}

  - name: A job or a program that failed is told to those on call
    when: {origin: incident, diagnosis: pipeline_failure}
    then: {actions: [escalate], tier: automatic}

  # The world has changed.
  - name: A small fall of quality is written down; whether a training pays, the triggers weigh
    when: {origin: incident, diagnosis: [covariate_drift, concept_drift], level: low}
    then: {actions: [log], tier: automatic}

  - name: Real drift is answered by retraining; one approval covers the release of a better version
    when: {origin: incident, diagnosis: [covariate_drift, concept_drift, stale_model]}
    then: {actions: [retrain], tier: approval, covers: [deploy], expires: 7d}

  - name: A trigger or a person may ask for a retraining; somebody agrees, and that covers its release
    when: {origin: [trigger, person], action: retrain}
    then: {tier: approval, covers: [deploy], expires: 7d}

  - name: A version that served before may serve again, where it would do better now, once somebody agrees
    when: {origin: trigger, action: reinstate}
    then: {tier: approval}

  - name: Groups that are treated less alike than before are a matter for people
    when: {origin: incident, diagnosis: fairness_regression}
    then: {actions: [escalate], tier: automatic}

  - name: Going back is approved by a person
    when: {action: roll_back}
    then: {tier: approval}

  - name: What nobody understands yet is written down, and a person looks
    when: {origin: incident, diagnosis: unknown}
    then: {actions: [log], tier: automatic}
"""


def deployment_file(_plan: Plan) -> str:
    """Return the content of ``deployment_config.yaml``."""
    return _DEPLOYMENT


def policy_file() -> str:
    """Return the content of ``policy.yaml``."""
    return _POLICY


def project_file(name: str) -> str:
    """Return the content of ``trimtab.yaml``."""
    return (
        f"project: {scalar(name)}\n"
        "api: {port: 8765}  # control plane; 0 takes a free port\n"
        "serving: {port: 8766}  # inference server\n"
        "notifications:  # who is told; an Apprise URL, secrets by reference: 'slack://${SLACK_TOKEN}'\n"
        "  - {name: on-call, url: 'log://'}\n"
    )


def monitoring_file(plan: Plan) -> str:
    """Return the content of ``monitoring_config.yaml``."""
    window, why = _window(plan)
    lines = [
        'schedule: "0 * * * *"  # every hour, in UTC; "trimtab monitor" looks at once',
        f"window: {window}  {comment(why)}",
        "profile_period: 1h  # the finest moment that a cause can name",
        "monitors:  # fewer rows than min_rows (30) are inconclusive: no alarm, and no all-clear",
        "  - {type: data_drift, severity: medium}  # inputs are not as they were when the model learnt",
        "  - {type: data_quality, severity: medium}  # missing, unknown or impossible values",
        "  # Add volume_factor: 3 there to hear of a third of the usual rows, or thrice as many; not if it is a sample",
        "  - {type: model_quality, severity: high, max_degradation: 0.2, min_labels: 50}  # a fifth worse",
        "  - {type: latency, severity: medium, p95_ms: 250}",
        "  - {type: errors, severity: high, max_refused_share: 0.1}  # over 1 % fail, or a tenth are refused as wrong",
    ]
    return "\n".join(lines) + "\n"


def _window(plan: Plan) -> tuple[str, str]:
    rate = plan.rows_per_day
    if rate is None:
        return "7d", "how far back a check looks: long enough for some hundred rows"
    window = "1d" if rate >= _BUSY_PER_DAY else "7d" if rate >= _DAILY_PER_DAY else "28d"
    return window, f"how far back a check looks; {rate:.3g} rows a day were seen"


def retrain_file(plan: Plan) -> str:
    """Return the content of ``retrain_config.yaml``."""
    baseline = plan.baseline
    side = "below" if baseline.is_floor else "above"
    unit = "absolute" if plan.task is Task.REGRESSION else "0..1"
    lines = [
        "# When a retraining is proposed. The policy says who must agree.",
        "when:",
        "  any:",
        "    - gain: {over_cost: 1.0}  # a fresher version would have saved more than a training costs",
        "    - since_last: retrain  # in a window after the last training: as bad as if it knew nothing, not by chance",
        f"      of: {{performance: {{metric: {baseline.metric}, {side}: {baseline.bound:g}, surely: true}}}}",
        "    - age: {longer_than: 365d}",
        "cooldown: 7d  # after these asked for a retraining, they ask for none, whatever came of it",
        "period: 7d  # labelled rows are weighed so; the newest such period is kept from training, to compare on",
        "pool: {keep: 4}  # so many latest versions are judged on each period; the best of them may serve again",
        "release:",
        f"  min_gain: 0.0  # how much better a new version must be ({plan.metrics[0]}, {unit})",
        "  margin: 0.1  # by which share of the present loss it must surely not be worse",
    ]
    return "\n".join(lines) + "\n"
