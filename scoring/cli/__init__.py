"""The command line, a module a panel."""
