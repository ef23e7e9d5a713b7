"""Results of tasks are printed by Ansible as they are: nothing in them steers a terminal."""

from __future__ import annotations

import json

from ansible_collections.segctl.segctl.plugins.plugin_utils.results import inert
from support.hostile import MARKS, steering


def test_a_result_steers_nothing_and_says_the_same_otherwise() -> None:
    text = f"fw{''.join(MARKS)}\nÜberwachung\t→ Pumpe"
    result = inert({text: [text, {"msg": text}], "changed": True, "count": 1, "none": None})
    shown = json.dumps(result, ensure_ascii=False)
    assert not steering(shown)
    ((key, (first, inner)), *rest) = result.items()
    assert key == first == inner["msg"]
    assert key.endswith("\nÜberwachung\t→ Pumpe")
    assert r"\u202e" in key
    assert rest == [("changed", True), ("count", 1), ("none", None)]
