"""The alert rules use only metrics that exist."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from meterbot.app.metrics import Metrics
from meterbot.core.counters import ProcessCounters
from meterbot.core.models import Health
from tests.app.test_metrics import scrape, take_rows
from tests.missing import judged_by

ROOT = Path(__file__).parents[2]
RULES = ROOT / "deploy/prometheus/meterbot.rules.yml"
PAGE = (ROOT / "docs/watching.md").read_text("utf-8")


def rules() -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(RULES.read_text("utf-8"))["groups"] for rule in group["rules"]]


def selectors(node: Any) -> list[Any]:
    """Every metric that an expression selects."""
    if isinstance(node, promql_parser.VectorSelector):
        return [node]
    parts = [getattr(node, name, None) for name in ("lhs", "rhs", "expr", "param", "vector_selector")]
    parts += list(getattr(node, "args", None) or ())
    return [found for part in parts if part is not None for found in selectors(part)]


async def series() -> dict[str, list[dict[str, str]]]:
    """Every sample's name, with the labels it comes with."""
    counters = ProcessCounters()
    counters.read("claude_ai", Health.OK, 0.2)
    counters.delivery("slack", "delivered")
    found: dict[str, list[dict[str, str]]] = {}
    for family in text_string_to_metric_families(await scrape(Metrics(counters, take_rows))):
        for sample in family.samples:
            found.setdefault(sample.name, []).append(sample.labels)
    return found


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: str(rule["alert"]))
async def test_every_metric_and_label_of_a_rule_exists(rule: dict[str, Any]) -> None:
    metrics = await series()
    found = selectors(promql_parser.parse(rule["expr"]))
    assert found
    for selector in found:
        if selector.name == "up":  # Prometheus' own
            continue
        assert selector.name in metrics
        labels = {label for each in metrics[selector.name] for label in each}
        assert {matcher.name for matcher in selector.matchers.matchers} <= labels


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: str(rule["alert"]))
def test_a_rule_says_how_bad_it_is_and_what_to_do(rule: dict[str, Any]) -> None:
    assert rule.keys() <= {"alert", "expr", "for", "labels", "annotations"}
    assert rule["labels"].keys() == {"severity"}
    assert rule["labels"]["severity"] in {"warning", "critical"}
    assert rule["annotations"].keys() == {"summary", "description"}
    assert re.fullmatch(r"\d+[smh]", rule.get("for", "0s"))


def test_a_metric_that_does_not_exist_would_be_noticed() -> None:
    expression = promql_parser.parse('sum(rate(meterbot_made_up_total{a="b"}[5m])) / time() > 1')
    assert [each.name for each in selectors(expression)] == ["meterbot_made_up_total"]


PROMTOOL = shutil.which("promtool")


@judged_by("promtool", PROMTOOL)
def test_prometheus_itself_takes_the_rules() -> None:
    assert PROMTOOL
    ran = subprocess.run([PROMTOOL, "check", "rules", RULES], capture_output=True, text=True, check=False)  # noqa: S603 - as found
    assert ran.returncode == 0, ran.stdout + ran.stderr


async def test_the_page_has_every_metric_and_no_other() -> None:
    suffixes = re.compile("_(bucket|sum|count|created)$")
    ours = {suffixes.sub("", name) for name in await series() if name.startswith("meterbot_")}
    ours = {
        f"{name}_total"
        if name in {"meterbot_reads", "meterbot_deliveries", "meterbot_failed_items"}
        else name
        for name in ours
    }
    assert set(re.findall(r"^\| `(meterbot_\w+)`", PAGE, re.MULTILINE)) == ours


async def test_the_page_has_every_label_of_every_metric() -> None:
    metrics = await series()
    for name, labels in re.findall(r"^\| `(meterbot_\w+)` \| ([\w, ]*?) ?\|", PAGE, re.MULTILINE):
        sample = metrics.get(name) or metrics[f"{name}_count"]
        assert {*re.findall(r"\w+", labels)} == {label for each in sample for label in each}, name
