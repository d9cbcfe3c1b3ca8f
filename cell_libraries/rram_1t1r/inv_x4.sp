* Inverter, strength 4.
.subckt inv_x4 a y vdd vss
Mn y a vss vss nfet w=4 l=1
Mp y a vdd vdd pfet w=8 l=1
.ends
