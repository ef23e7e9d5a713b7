"""What the documentation of every segctl module says."""

from __future__ import annotations


class ModuleDocFragment:
    """The parts that all three modules have in common."""

    DOCUMENTATION = r"""
options:
  executable:
    description:
      - The C(segctl) to run. Without it, the one beside the interpreter that runs
        C(ansible-playbook), else the one on C(PATH).
    type: path
notes:
  - Runs on the controller, once per host, without opening an Ansible connection.
    segctl connects to the firewall itself, with the host's connection variables.
  - segctl reads the inventory sources, extra variables and Vault passwords of the running
    C(ansible-playbook), and variables of the play whose names begin with C(segctl_). What
    C(set_fact), C(include_vars) and C(add_host) add is not visible to it, nor are C(group_vars) and
    C(host_vars) beside the playbook.
  - A host without C(ansible_network_os) is not a firewall and is skipped.
requirements:
  - segctl, installed for the interpreter that runs C(ansible-playbook)
"""
