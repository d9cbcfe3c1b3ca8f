* One bit of the successive approximation: latch with reset for the decision,
* plate = NOR(p, q), dout = buffered q.
.subckt sar_bit p cmp rstn plate dout vdd vss
Mnp pb p vss vss nfet w=1 l=1
Mpp pb p vdd vdd pfet w=2 l=1
Mnt cmp p n1 vss nfet w=1 l=1
Mpt cmp pb n1 vdd pfet w=1 l=1
Mnra qb n1 rx vss nfet w=1.5 l=1
Mnrb rx rstn vss vss nfet w=1.5 l=1
Mpra qb n1 vdd vdd pfet w=1.5 l=1
Mprb qb rstn vdd vdd pfet w=1.5 l=1
Mnq q qb vss vss nfet w=1 l=1
Mpq q qb vdd vdd pfet w=2 l=1
Mnf q pb n1 vss nfet w=1 l=1
Mpf q p n1 vdd pfet w=1 l=1
Mnpla plate p vss vss nfet w=2 l=1
Mnplb plate q vss vss nfet w=2 l=1
Mppla plx p vdd vdd pfet w=4 l=1
Mpplb plate q plx vdd pfet w=4 l=1
Mno dout qb vss vss nfet w=2 l=1
Mpo dout qb vdd vdd pfet w=4 l=1
.ends
