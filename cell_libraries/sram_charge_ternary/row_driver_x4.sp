* Row driver, strength 4: xn = NAND(x, en) buffered, xp its complement,
* wl_b = AND(sel, wb_b).
.subckt row_driver_x4 x en sel wb0 wb1 xp xn wl0 wl1 vdd vss
Mnea n0 x ex vss nfet w=2 l=1
Mneb ex en vss vss nfet w=2 l=1
Mpea n0 x vdd vdd pfet w=2 l=1
Mpeb n0 en vdd vdd pfet w=2 l=1
Mnd n1 n0 vss vss nfet w=2 l=1
Mpd n1 n0 vdd vdd pfet w=4 l=1
Mnxn xn n1 vss vss nfet w=6 l=1
Mpxn xn n1 vdd vdd pfet w=12 l=1
Mni n2 n1 vss vss nfet w=2 l=1
Mpi n2 n1 vdd vdd pfet w=4 l=1
Mnxp xp n2 vss vss nfet w=6 l=1
Mpxp xp n2 vdd vdd pfet w=12 l=1
Mnw0a wn0 sel w0x vss nfet w=1 l=1
Mnw0b w0x wb0 vss vss nfet w=1 l=1
Mpw0a wn0 sel vdd vdd pfet w=1 l=1
Mpw0b wn0 wb0 vdd vdd pfet w=1 l=1
Mnwl0 wl0 wn0 vss vss nfet w=1.5 l=1
Mpwl0 wl0 wn0 vdd vdd pfet w=2 l=1
Mnw1a wn1 sel w1x vss nfet w=1 l=1
Mnw1b w1x wb1 vss vss nfet w=1 l=1
Mpw1a wn1 sel vdd vdd pfet w=1 l=1
Mpw1b wn1 wb1 vdd vdd pfet w=1 l=1
Mnwl1 wl1 wn1 vss vss nfet w=1.5 l=1
Mpwl1 wl1 wn1 vdd vdd pfet w=2 l=1
.ends
