"""From a policy and a live device to a plan, and from an approved plan to a changed device."""
