* Synapse: four 1T1R cells for a positive weight and four for a negative one. A wordline pulse at the
* read level makes each access transistor hold that level, less its own gate voltage, on its memory
* element; a cell in its low-resistance state draws one unit of current from its bitline.
.subckt synapse wl blp0 blp1 blp2 blp3 bln0 bln1 bln2 bln3 sl vss
Mnp0 blp0 wl ep0 vss nfet w=2 l=3.3333
Rp0 sl ep0 rram
Mnp1 blp1 wl ep1 vss nfet w=2 l=3.3333
Rp1 sl ep1 rram
Mnp2 blp2 wl ep2 vss nfet w=2 l=3.3333
Rp2 sl ep2 rram
Mnp3 blp3 wl ep3 vss nfet w=2 l=3.3333
Rp3 sl ep3 rram
Mnn0 bln0 wl en0 vss nfet w=2 l=3.3333
Rn0 sl en0 rram
Mnn1 bln1 wl en1 vss nfet w=2 l=3.3333
Rn1 sl en1 rram
Mnn2 bln2 wl en2 vss nfet w=2 l=3.3333
Rn2 sl en2 rram
Mnn3 bln3 wl en3 vss nfet w=2 l=3.3333
Rn3 sl en3 rram
.ends
