* Currents of the membrane. Inverter of the negative branch: what flows into in leaves mem; its stacked gates
* put in near the rest level of mem, so that both branches' idle currents are equal there. Reset by
* subtraction: while up is high a reference current leaves mem, while dn is high one enters it.
.subckt membrane in mem casn up dn biasn biasp vdd vss
Mnda in casn xa vss nfet w=2 l=1
Mndb xa in xb vss nfet w=2 l=1
Mndc xb in xc vss nfet w=2 l=1
Mndd xc in xd vss nfet w=2 l=1
Mnde xd in vss vss nfet w=2 l=1
Mnoa mem casn ya vss nfet w=2 l=1
Mnob ya in yb vss nfet w=2 l=1
Mnoc yb in yc vss nfet w=2 l=1
Mnod yc in yd vss nfet w=2 l=1
Mnoe yd in vss vss nfet w=2 l=1
Mnra mem biasn na vss nfet w=2 l=1
Mnrb na biasn nb vss nfet w=2 l=1
Mnrc nb biasn nc vss nfet w=2 l=1
Mnrd nc biasn nd vss nfet w=2 l=1
Mnrs nd up vss vss nfet w=2 l=1
Mpra mem biasp pa vdd pfet w=2 l=1
Mprb pa biasp pb vdd pfet w=2 l=1
Mprc pb biasp pc vdd pfet w=2 l=1
Mprd pc biasp pd vdd pfet w=2 l=1
Mprs pd dnb vdd vdd pfet w=2 l=1
Mnbi dnb dn vss vss nfet w=1 l=1
Mpbi dnb dn vdd vdd pfet w=2 l=1
.ends
