# The part of ansible-core, which has no types, that the collection uses.
