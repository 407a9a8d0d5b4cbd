"""The commands of `tidegauge`, a file each."""
