"""What the answers of AWS about a deployment mean: pure state machines, observations in and a verdict out."""
