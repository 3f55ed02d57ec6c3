"""Adapters: the ports carried out with git, registries, BuildKit, AWS and CI systems."""
