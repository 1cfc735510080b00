"""The JSON Schema that editors complete and check with."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from reminder.plan.model import ItemSpec, PlanHead, RungSpec
from reminder.plan.schema import json_schema, schema_text
from reminder.plan.sections import LISTS, TOP_LEVEL

ROOT = Path(__file__).parents[2]
SHIPPED = sorted((ROOT / "schedules").glob("*.yaml"))


def test_the_committed_schema_is_the_one_the_types_give() -> None:
    """Write it anew with ``reminder schema > schedules/plan.schema.json``."""
    assert (ROOT / "schedules" / "plan.schema.json").read_text(encoding="utf-8") == schema_text()


def test_every_top_level_key_is_there_and_none_is_required() -> None:
    schema = json_schema()
    assert set(schema["properties"]) == set(TOP_LEVEL)
    assert "required" not in schema
    assert schema["additionalProperties"] is False


def test_every_key_of_plan_item_and_rung_is_offered_under_its_yaml_name() -> None:
    definitions = json_schema()["$defs"]
    models: list[Any] = [
        PlanHead,
        ItemSpec,
        RungSpec,
        *(each for each in LISTS.values() if isinstance(each, type)),
    ]
    for model in models:
        names = {info.alias or name for name, info in model.model_fields.items()}
        assert set(definitions[model.__name__]["properties"]) == names


def test_closed_sets_of_words_are_listed() -> None:
    definitions = json_schema()["$defs"]
    assert definitions["EveryWhen"]["properties"]["every"]["enum"] == [
        "month",
        "quarter",
        "half-year",
        "year",
    ]
    assert definitions["RungSpec"]["properties"]["if"]["enum"] == ["open", "not-booked"]


def test_what_editors_show_is_chinese() -> None:
    texts = re.findall(r'"(?:description|title)": "([^"]*)"', schema_text())
    assert len(texts) > 60
    assert [text for text in texts if not re.search(r"[一-龥]", text)] == []


def test_every_reference_leads_somewhere() -> None:
    schema = json_schema()
    names = set(re.findall(r"#/\$defs/(\w+)", schema_text()))
    assert names == set(schema["$defs"])


def test_the_shipped_files_name_the_schema_and_keep_to_its_keys() -> None:
    schema = json_schema()
    assert SHIPPED
    for path in SHIPPED:
        text = path.read_text(encoding="utf-8")
        assert text.startswith("# yaml-language-server: $schema=plan.schema.json\n")
        _keeps_to(yaml.load(text, Loader=yaml.BaseLoader), schema, schema)


def _keeps_to(value: Any, schema: dict[str, Any], root: dict[str, Any]) -> None:
    """A small validator: keys, required keys, enums, patterns and alternatives."""
    fault = _fault(value, schema, root)
    assert fault is None, fault


def _fault(value: Any, schema: dict[str, Any], root: dict[str, Any]) -> str | None:  # noqa: C901 - one case a line
    if "$ref" in schema:
        return _fault(value, root["$defs"][schema["$ref"].rpartition("/")[2]], root)
    for choice in ("oneOf", "anyOf"):
        if choice in schema:
            faults = [_fault(value, each, root) for each in schema[choice]]
            good = faults.count(None)
            return None if good == 1 or (good and choice == "anyOf") else f"{value!r}: {faults}"
    if isinstance(value, dict):
        known = schema.get("properties", {})
        extra = schema.get("additionalProperties")
        if schema.get("type") != "object":
            return f"{value!r} is a mapping"
        for key, each in value.items():
            inner = known.get(key) or (extra if isinstance(extra, dict) else None)
            if inner is None or (fault := _fault(each, inner, root)):
                return f"{key}: {fault if inner else 'unknown'}"
        missing = [key for key in schema.get("required", ()) if key not in value]
        return f"missing {missing}" if missing else None
    if isinstance(value, list):
        if schema.get("type") != "array":
            return f"{value!r} is a list"
        return next((fault for each in value if (fault := _fault(each, schema["items"], root))), None)
    if schema.get("type") in ("object", "array"):
        return f"{value!r} is a scalar"
    if "enum" in schema and value not in schema["enum"]:
        return f"{value!r} is not one of {schema['enum']}"
    if "pattern" in schema and not re.search(schema["pattern"], value):
        return f"{value!r} does not match {schema['pattern']}"
    return None
