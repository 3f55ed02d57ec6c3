"""Digests in the form that other programs read (design D8). Pure: values in, text out."""
