"""Questions about a policy, answered without a device."""
