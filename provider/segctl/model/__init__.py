"""The values everything else uses: the declared site, policies, their differences, errors."""
