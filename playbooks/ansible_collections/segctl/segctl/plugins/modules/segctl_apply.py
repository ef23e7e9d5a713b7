"""Documentation of the action plugin of the same name: it runs on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: segctl_apply
short_description: Make a firewall what the zones and conduits of the inventory say
description:
  - Reads the firewall, changes what differs from the inventory as one transaction, reads it back,
    and reverts the change if anything differs. Rules and objects of others are not touched.
version_added: 0.1.0
author: the segctl authors (@segctl)
options:
  allow_purge:
    description:
      - Let V(segctl_unmanaged=purge) in the inventory delete rules of others.
    type: bool
    default: false
  allow_mass_delete:
    description:
      - Let most of segctl's own rules on a firewall be deleted, as when it is retired.
    type: bool
    default: false
extends_documentation_fragment:
  - segctl.segctl.rollout
attributes:
  check_mode:
    description: Only plans; the session cannot write.
    support: full
  diff_mode:
    description: Returns what the firewall held, and what it holds.
    support: full
seealso:
  - module: segctl.segctl.segctl_plan
  - module: segctl.segctl.segctl_drift
"""

EXAMPLES = r"""
- name: Roll out the segmentation in waves
  hosts: all
  gather_facts: false
  serial: [1, "10%", "100%"]
  max_fail_percentage: 0
  tasks:
    - name: Apply
      segctl.segctl.segctl_apply:
"""

RETURN = r"""
changed:
  description: Whether the firewall was changed; in check mode, whether it would be.
  returned: always
  type: bool
status:
  description: The outcome for the firewall.
  returned: always
  type: str
  sample: applied
plan_id:
  description: The id of the plan that was applied.
  returned: when a plan was made
  type: str
summary:
  description: How many rules and objects were created, updated, moved, renamed, deleted.
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
  description: The differing rules and objects as the firewall held them, and as it holds them.
  returned: in diff mode
  type: dict
error:
  description: Why it failed, with a C(code) for machines and a C(message) for people.
  returned: on failure
  type: dict
  sample: {code: locked, message: "fw1: admin 'ops2' holds the configuration lock"}
"""
