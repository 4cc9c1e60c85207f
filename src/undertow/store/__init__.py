"""The store: files, data tables, content-addressed steps and runs. Knows no other room."""
