"""What every stage needs and that knows no stage."""
