"""Messages in a database: documents, backends, group commit and the store made of them."""
