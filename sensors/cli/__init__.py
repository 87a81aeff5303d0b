"""Commands about recordings; each module is an entry point and imports what it needs when it runs."""
