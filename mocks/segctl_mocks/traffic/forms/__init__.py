"""The forms in which witnesses write what they saw."""
