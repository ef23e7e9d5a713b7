"""Run a playbook: its waves, their verification, and the state file to resume from."""
