"""Documentation of the action plugin of the same name: it runs on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: segctl_drift
short_description: Report whether a firewall still is what the inventory says
description:
  - Reads the firewall and returns what is missing, changed, moved or unexpected, and which rules
    of others permit undeclared traffic between our zones. Never writes and never locks.
version_added: 0.1.0
author: the segctl authors (@segctl)
options:
  baseline:
    description: A file of known drift that does not count, with owners and expiry dates.
    type: path
  fail_on_drift:
    description: Fail when the firewall has drifted.
    type: bool
    default: false
extends_documentation_fragment:
  - segctl.segctl.rollout
attributes:
  check_mode:
    description: The firewall is only read in any mode.
    support: full
  diff_mode:
    description: The drift document holds both values of everything.
    support: none
seealso:
  - module: segctl.segctl.segctl_plan
  - module: segctl.segctl.segctl_apply
"""

EXAMPLES = r"""
- name: Has anybody changed it?
  segctl.segctl.segctl_drift:
    baseline: accepted.yml
    fail_on_drift: true
"""

RETURN = r"""
changed:
  description: Never true; drift only looks.
  returned: always
  type: bool
in_sync:
  description: Whether the firewall is what the inventory says.
  returned: when the firewall could be read
  type: bool
drift:
  description:
    - What was found on the firewall, as in the JSON of C(segctl drift), with the lists C(missing),
      C(changed), C(moved), C(unexpected), C(holes), C(accepted) and C(unmanaged).
  returned: when the firewall could be read
  type: dict
error:
  description: Why it failed, with a C(code) for machines and a C(message) for people.
  returned: on failure
  type: dict
  sample: {code: unreachable, message: "fw1: no connection to 192.0.2.11"}
"""
