"""What a deployment is made of, read and built as its tools would."""
