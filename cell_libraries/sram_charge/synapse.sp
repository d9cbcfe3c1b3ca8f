* Synapse: sign (bit 3, 1 = negative) and magnitude (bits 0..2) in 6T cells,
* binary-weighted plates of 1, 2 and 4 unit capacitors on the column.
.subckt synapse xp xn wl0 wl1 wl2 wl3 bl blb col vdd vss
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
Mnpd2 q2 qb2 vss vss nfet w=1.5 l=1
Mnpdb2 qb2 q2 vss vss nfet w=1.5 l=1
Mppu2 q2 qb2 vdd vdd pfet w=1 l=1
Mppub2 qb2 q2 vdd vdd pfet w=1 l=1
Mnax2 bl wl2 q2 vss nfet w=1 l=1
Mnaxb2 blb wl2 qb2 vss nfet w=1 l=1
Mnpd3 q3 qb3 vss vss nfet w=1.5 l=1
Mnpdb3 qb3 q3 vss vss nfet w=1.5 l=1
Mppu3 q3 qb3 vdd vdd pfet w=1 l=1
Mppub3 qb3 q3 vdd vdd pfet w=1 l=1
Mnax3 bl wl3 q3 vss nfet w=1 l=1
Mnaxb3 blb wl3 qb3 vss nfet w=1 l=1
Mnsp xp qb3 r vss nfet w=1 l=1
Mpsp xp q3 r vdd pfet w=1 l=1
Mnsn xn q3 r vss nfet w=1 l=1
Mpsn xn qb3 r vdd pfet w=1 l=1
Mnt0 r q0 plate0 vss nfet w=1 l=1
Mpt0 r qb0 plate0 vdd pfet w=1 l=1
Mptie0 plate0 q0 vdd vdd pfet w=1 l=1
Mnt1 r q1 plate1 vss nfet w=1 l=1
Mpt1 r qb1 plate1 vdd pfet w=1 l=1
Mptie1 plate1 q1 vdd vdd pfet w=1 l=1
Mnt2 r q2 plate2 vss nfet w=1 l=1
Mpt2 r qb2 plate2 vdd pfet w=1 l=1
Mptie2 plate2 q2 vdd vdd pfet w=1 l=1
C0 plate0 col mimcap m=1
C1 plate1 col mimcap m=2
C2 plate2 col mimcap m=4
.ends
