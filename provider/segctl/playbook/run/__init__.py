"""Running a playbook: waves, their verification, and the state file that resumes them."""
