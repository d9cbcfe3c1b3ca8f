* Transmission gate a <-> b: closed while g is high and gb is low.
.subckt tgate a b g gb vdd vss
Mn a g b vss nfet w=2 l=1
Mp a gb b vdd pfet w=2 l=1
.ends
