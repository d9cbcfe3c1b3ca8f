* Column reset switch (col <-> vcm while rst is high) and the plate of the
* half-unit offset capacitor (vss, and vcm while en is high).
.subckt col_switch col vcm rst en hplate vdd vss
Mnr rstb rst vss vss nfet w=2 l=1
Mpr rstb rst vdd vdd pfet w=4 l=1
Mnr0 col rst vcm vss nfet w=8 l=1
Mpr0 col rstb vcm vdd pfet w=24 l=1
Mne enb en vss vss nfet w=1 l=1
Mpe enb en vdd vdd pfet w=2 l=1
Mnh hplate en vcm vss nfet w=1 l=1
Mph hplate enb vcm vdd pfet w=1 l=1
Mnhz hplate enb vss vss nfet w=1 l=1
.ends
