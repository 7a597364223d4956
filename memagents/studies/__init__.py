"""Many runs: a grid goes in, a table and learning curves come out."""
