* A fifth of a bitline clamp's input: diode of two stacked gates, and the cascode that gives it the
* same drain voltage as clamp_out. The gates are on `sense`, a line without current that joins bl where
* the bitlines come in: what the wire of bl drops does not count. The bitline stays high enough for every
* access transistor to hold its own cell's read voltage. A small current keeps the diode awake, so that the
* bitline settles.
.subckt clamp_in bl sense casp biasn vdd vss
Mpda a sense vdd vdd pfet w=10 l=1
Mpdb b sense a vdd pfet w=10 l=1
Mpdc bl casp b vdd pfet w=10 l=1
Mnk0 bl biasn k0 vss nfet w=1 l=1
Mnk1 k0 biasn k1 vss nfet w=1 l=1
Mnk2 k1 biasn k2 vss nfet w=1 l=1
Mnk3 k2 biasn k3 vss nfet w=1 l=1
Mnk4 k3 biasn k4 vss nfet w=1 l=1
Mnk5 k4 biasn k5 vss nfet w=1 l=1
Mnk6 k5 biasn k6 vss nfet w=1 l=1
Mnk7 k6 biasn vss vss nfet w=1 l=1
.ends
