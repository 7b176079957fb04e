"""The ground that the scenarios stand on: a cluster, its shell, what the audit log says, what is kept on failure."""
