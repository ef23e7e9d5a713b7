"""Rollouts in Ansible's words: plays over waves of firewalls, with windows, soak and probes.

Commands call `read_playbook`; the rest is pure and decides nothing about devices.
"""

from segctl.analysis.query import Check
from segctl.playbook.model import Ask, Play, Playbook, Probe, Reach, Task, Window
from segctl.playbook.reader import read_checks, read_playbook
from segctl.playbook.shapes import checks_schema, json_schema
from segctl.playbook.tags import selected
from segctl.playbook.waves import exceeds, waves
from segctl.playbook.windows import closes, opens

__all__ = [
    "Ask",
    "Check",
    "Play",
    "Playbook",
    "Probe",
    "Reach",
    "Task",
    "Window",
    "checks_schema",
    "closes",
    "exceeds",
    "json_schema",
    "opens",
    "read_checks",
    "read_playbook",
    "selected",
    "waves",
]
