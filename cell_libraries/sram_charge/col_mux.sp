* Column multiplexer leg: col <-> adc while sel is high, else col is held at vcm.
.subckt col_mux col adc vcm sel vdd vss
Mns selb sel vss vss nfet w=2 l=1
Mps selb sel vdd vdd pfet w=4 l=1
Mna col sel adc vss nfet w=8 l=1
Mpa col selb adc vdd pfet w=8 l=1
Mnh col selb vcm vss nfet w=2 l=1
Mph col sel vcm vdd pfet w=2 l=1
.ends
