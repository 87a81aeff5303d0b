"""The semantic event protocol: which meanings are worth sending, how they are written, and how they travel.

========== ==========================================================================
``gate``      send or stay silent
``codec``     a unit vector as bytes, in four sizes
``align``     from the sender's space into the receiver's
``messages``  the protobuf message as a value, ``events.proto`` its definition
``framing``   where a message ends on a stream of bytes
``links``     between neighbours
``mesh``      over many hops
========== ==========================================================================
"""
