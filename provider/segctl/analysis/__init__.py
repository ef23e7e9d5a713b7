"""Answer questions about a policy without a device."""
