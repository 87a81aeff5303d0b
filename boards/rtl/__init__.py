"""The network in plain Verilog: memory images, simulation as a backend, synthesis figures."""
