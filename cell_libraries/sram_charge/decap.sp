* Decoupling: MOS capacitors between the supplies. Long gates are the purpose,
* hence l=4.
.subckt decap vdd vss
Mn vss vdd vss vss nfet w=8 l=4
Mp vdd vss vdd vdd pfet w=8 l=4
.ends
