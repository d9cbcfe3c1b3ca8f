* Synapse of two 1T1R cells, one on each sign's bitline. The cell of the weight's sign holds |w| times the unit
* conductance, the other one stays in its high-resistance state: which of them conducts is the sign.
.subckt synapse_multilevel wl blp0 bln0 sl vss
Mnp0 blp0 wl ep0 vss nfet w=2 l=3.3333
Rp0 sl ep0 rram
Mnn0 bln0 wl en0 vss nfet w=2 l=3.3333
Rn0 sl en0 rram
.ends
