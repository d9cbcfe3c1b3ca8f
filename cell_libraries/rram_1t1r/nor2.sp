* Two-input NOR.
.subckt nor2 a b y vdd vss
Mn0a y a vss vss nfet w=1 l=1
Mn0b y b vss vss nfet w=1 l=1
Mp0a 0x a vdd vdd pfet w=2 l=1
Mp0b y b 0x vdd pfet w=2 l=1
.ends
