"""The documentation: pages written by hand, and pages made from the catalogue and the tables of the suite."""
