* D latch: transparent while g is high.
.subckt latch d g q vdd vss
Mng gb g vss vss nfet w=1 l=1
Mpg gb g vdd vdd pfet w=2 l=1
Mnt d g n1 vss nfet w=1 l=1
Mpt d gb n1 vdd pfet w=1 l=1
Mna n2 n1 vss vss nfet w=1 l=1
Mpa n2 n1 vdd vdd pfet w=2 l=1
Mnf n3 n2 vss vss nfet w=1 l=1
Mpf n3 n2 vdd vdd pfet w=1 l=1
Mnh n3 gb n1 vss nfet w=1 l=1
Mph n3 g n1 vdd pfet w=1 l=1
Mnq q n2 vss vss nfet w=1 l=1
Mpq q n2 vdd vdd pfet w=2 l=1
.ends
