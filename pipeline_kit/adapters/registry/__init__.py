"""The distribution API: authentication, retries, verdicts about references."""
