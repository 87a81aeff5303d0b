"""Events from and to the outside world while they happen: cameras, and the network protocol of DV software."""
