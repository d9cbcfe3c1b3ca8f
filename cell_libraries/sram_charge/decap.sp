* Decoupling: cross-coupled MOS capacitors. Each gate hangs on the other device's drain,
* never on a rail, so a supply spike does not meet a bare gate oxide.
.subckt decap vdd vss
Mn low high vss vss nfet w=8 l=1
Mp high low vdd vdd pfet w=8 l=1
.ends
