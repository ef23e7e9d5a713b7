"""From a declared site to the policy of every firewall; knows no platform."""
