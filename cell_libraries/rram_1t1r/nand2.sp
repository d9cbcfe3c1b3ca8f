* Two-input NAND.
.subckt nand2 a b y vdd vss
Mn0a y a 0x vss nfet w=2 l=1
Mn0b 0x b vss vss nfet w=2 l=1
Mp0a y a vdd vdd pfet w=2 l=1
Mp0b y b vdd vdd pfet w=2 l=1
.ends
