"""What flows and is not declared yet: judged, and proposed or listed with the reason why not.

`evidence` keeps what is read, `flows` puts together what several witnesses say of one flow,
`judge` decides what may be proposed, `services` and `propose` write it as conduits of three grades,
`draft` makes zones and assets where nothing is declared.
"""
