"""Aval: the credit desk of a company that sells on credit, as a service."""
