"""What the core asks of the outside world, as protocols.

Adapters implement these; ``app`` chooses and wires them; the tests run one contract suite against every
implementation. No behaviour lives here.
"""
