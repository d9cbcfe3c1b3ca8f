* Bit line pair: precharge and equalise (pcb low), write pull-downs (bl low for
* d = 0, blb low for d = 1, while we), read inverter q = NOT(blb).
.subckt col_io bl blb pcb we d q vdd vss
Mppc bl pcb vdd vdd pfet w=2 l=1
Mppcb blb pcb vdd vdd pfet w=2 l=1
Mpeq bl pcb blb vdd pfet w=2 l=1
Mnd dn d vss vss nfet w=1 l=1
Mpd dn d vdd vdd pfet w=2 l=1
Mnwa bl dn wa vss nfet w=4 l=1
Mnwb wa we vss vss nfet w=4 l=1
Mnwc blb d wb vss nfet w=4 l=1
Mnwd wb we vss vss nfet w=4 l=1
Mnq q blb vss vss nfet w=1 l=1
Mpq q blb vdd vdd pfet w=2 l=1
.ends
