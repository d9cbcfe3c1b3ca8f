* Reference currents: the current into biasn, mirrored, sets biasp. Switches as in reset, always on.
.subckt bias biasn biasp vdd vss
Mna biasn biasn na vss nfet w=2 l=1
Mnb na biasn nb vss nfet w=2 l=1
Mnc nb biasn nc vss nfet w=2 l=1
Mnd nc biasn nd vss nfet w=2 l=1
Mns nd onn vss vss nfet w=2 l=1
Mma biasp biasn ma vss nfet w=2 l=1
Mmb ma biasn mb vss nfet w=2 l=1
Mmc mb biasn mc vss nfet w=2 l=1
Mmd mc biasn md vss nfet w=2 l=1
Mms md onn vss vss nfet w=2 l=1
Mpa biasp biasp pa vdd pfet w=2 l=1
Mpb pa biasp pb vdd pfet w=2 l=1
Mpc pb biasp pc vdd pfet w=2 l=1
Mpd pc biasp pd vdd pfet w=2 l=1
Mps pd onp vdd vdd pfet w=2 l=1
Mnh g g vss vss nfet w=1 l=1
Mph onn g vdd vdd pfet w=1 l=1
Mpl h h vdd vdd pfet w=1 l=1
Mnl onp h vss vss nfet w=1 l=1
.ends
