"""Layout generators: transistor netlists in, drawn cells out. Technology comes from the PDK's data."""
