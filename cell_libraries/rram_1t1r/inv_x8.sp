* Inverter, strength 8.
.subckt inv_x8 a y vdd vss
Mn y a vss vss nfet w=8 l=1
Mp y a vdd vdd pfet w=16 l=1
.ends
