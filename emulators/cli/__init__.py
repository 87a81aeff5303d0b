"""Commands about emulated hardware."""
