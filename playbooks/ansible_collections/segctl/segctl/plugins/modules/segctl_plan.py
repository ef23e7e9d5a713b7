"""Documentation of the action plugin of the same name: it runs on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: segctl_plan
short_description: Show what segctl would change on a firewall
description:
  - Reads the firewall, compares it with the zones and conduits of the inventory, and returns what
    would have to change. Never writes to a device.
version_added: 0.1.0
author: the segctl authors (@segctl)
extends_documentation_fragment:
  - segctl.segctl.rollout
attributes:
  check_mode:
    description: The firewall is only read in any mode.
    support: full
  diff_mode:
    description: Returns what the firewall holds, and what it would hold.
    support: full
seealso:
  - module: segctl.segctl.segctl_apply
  - module: segctl.segctl.segctl_drift
"""

EXAMPLES = r"""
- name: What would change
  segctl.segctl.segctl_plan:
  register: planned
"""

RETURN = r"""
changed:
  description: Whether the firewall differs from the inventory, so that applying changes it.
  returned: always
  type: bool
plan_id:
  description: The plan's id.
  returned: when a plan was made
  type: str
summary:
  description: How many rules and objects are to be created, updated, moved, renamed, deleted.
  returned: when a plan was made
  type: dict
  sample: {create: 4, update: 0, move: 0, rename: 0, delete: 1}
changes:
  description: Every change, with old and new values, as in the JSON of C(segctl plan).
  returned: when a plan was made
  type: list
  elements: dict
findings:
  description: What a reader of the plan must know besides its changes.
  returned: when a plan was made
  type: list
  elements: dict
diff:
  description: The differing rules and objects as the firewall holds them, and as it would.
  returned: in diff mode
  type: dict
error:
  description: Why it failed, with a C(code) for machines and a C(message) for people.
  returned: on failure
  type: dict
  sample: {code: auth, message: "fw1: the device refuses the account"}
"""
