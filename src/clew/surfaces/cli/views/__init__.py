"""Tables: each a pure function from a document and a width to lines."""
