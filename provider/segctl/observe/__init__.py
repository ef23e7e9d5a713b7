"""What really flows: records of traffic from firewalls, sensors and tools, read and grouped.

`sources` opens files, `readers` make an `Observation` of each record, `grouping` counts what is
alike, `coverage` says what the records can and cannot show.
"""
