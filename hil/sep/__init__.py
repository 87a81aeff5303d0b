"""The semantic event protocol: gate, codec, align, mesh."""
