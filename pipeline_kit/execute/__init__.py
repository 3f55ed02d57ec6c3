"""Carrying out a plan over the ports: publish what was built, then move aliases."""
