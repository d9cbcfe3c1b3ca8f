* Inverter, strength 1.
.subckt inv_x1 a y vdd vss
Mn y a vss vss nfet w=1 l=1
Mp y a vdd vdd pfet w=2 l=1
.ends
