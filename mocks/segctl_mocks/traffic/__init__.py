"""Seeded logs of days of a plant's traffic, with ground truth, in the forms that devices write."""
