"""Wiring: builds the adapters and runs the phases of design D1, one module a phase."""
