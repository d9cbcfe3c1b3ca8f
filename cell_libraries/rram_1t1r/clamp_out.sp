* Output of a bitline clamp: 1/25 of the current of five clamp_in, by the voltage of their sense line.
.subckt clamp_out sense casp biasn out vdd vss
Mpoa a sense vdd vdd pfet w=2 l=1
Mpob b sense a vdd pfet w=2 l=1
Mpoc out casp b vdd pfet w=2 l=1
Mnk0 sense biasn k0 vss nfet w=1 l=1
Mnk1 k0 biasn k1 vss nfet w=1 l=1
Mnk2 k1 biasn k2 vss nfet w=1 l=1
Mnk3 k2 biasn k3 vss nfet w=1 l=1
Mnk4 k3 biasn k4 vss nfet w=1 l=1
Mnk5 k4 biasn k5 vss nfet w=1 l=1
Mnk6 k5 biasn k6 vss nfet w=1 l=1
Mnk7 k6 biasn vss vss nfet w=1 l=1
.ends
