"""PostgreSQL: tables and functions; the transaction comes first, domain objects come out."""
