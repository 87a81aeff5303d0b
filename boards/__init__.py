"""Boards: transports, framing, drivers, firmware and RTL."""
