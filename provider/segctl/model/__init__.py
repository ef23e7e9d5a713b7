"""What all else speaks of: the declared site, a policy, how two policies differ, errors."""
