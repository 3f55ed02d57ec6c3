# Sourced by every service: one line a message, to stderr, as log collectors like it.
log() {
    printf '%s %s: %s\n' "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "${SERVICE:-shop}" "$*" >&2
}
