* Synapse: magnitude (bit 0) and sign (bit 1, 1 = negative) in 6T cells, one unit capacitor on the column.
.subckt synapse xp xn wl0 wl1 bl blb col vdd vss
Mnpd0 q0 qb0 vss vss nfet w=1.5 l=1
Mnpdb0 qb0 q0 vss vss nfet w=1.5 l=1
Mppu0 q0 qb0 vdd vdd pfet w=1 l=1
Mppub0 qb0 q0 vdd vdd pfet w=1 l=1
Mnax0 bl wl0 q0 vss nfet w=1 l=1
Mnaxb0 blb wl0 qb0 vss nfet w=1 l=1
Mnpd1 q1 qb1 vss vss nfet w=1.5 l=1
Mnpdb1 qb1 q1 vss vss nfet w=1.5 l=1
Mppu1 q1 qb1 vdd vdd pfet w=1 l=1
Mppub1 qb1 q1 vdd vdd pfet w=1 l=1
Mnax1 bl wl1 q1 vss nfet w=1 l=1
Mnaxb1 blb wl1 qb1 vss nfet w=1 l=1
Mnsp xp qb1 r vss nfet w=1 l=1
Mpsp xp q1 r vdd pfet w=1 l=1
Mnsn xn q1 r vss nfet w=1 l=1
Mpsn xn qb1 r vdd pfet w=1 l=1
Mnt0 r q0 plate0 vss nfet w=1 l=1
Mpt0 r qb0 plate0 vdd pfet w=1 l=1
Mptie0 plate0 q0 vdd vdd pfet w=1 l=1
C0 plate0 col mimcap m=1
.ends
