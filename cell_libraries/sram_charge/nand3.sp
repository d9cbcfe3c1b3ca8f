* Three-input NAND.
.subckt nand3 a b c y vdd vss
Mna y a n1 vss nfet w=2 l=1
Mnb n1 b n2 vss nfet w=2 l=1
Mnc n2 c vss vss nfet w=2 l=1
Mpa y a vdd vdd pfet w=2 l=1
Mpb y b vdd vdd pfet w=2 l=1
Mpc y c vdd vdd pfet w=2 l=1
.ends
