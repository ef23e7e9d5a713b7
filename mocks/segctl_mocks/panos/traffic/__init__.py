"""What a mock firewall answers from a traffic file: logs, reports, sessions, hit counts."""
