"""What is shipped to authors of targets and front ends."""
