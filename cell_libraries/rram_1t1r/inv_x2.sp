* Inverter, strength 2.
.subckt inv_x2 a y vdd vss
Mn y a vss vss nfet w=2 l=1
Mp y a vdd vdd pfet w=4 l=1
.ends
