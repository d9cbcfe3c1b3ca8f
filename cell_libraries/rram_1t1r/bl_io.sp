* One bitline: read joins it to its clamp; write puts wsel on it where d and csel select it, wrest where
* they do not. we is high while writing, web its complement.
.subckt bl_io bl clamp d csel we web wsel wrest vdd vss
Mnr bl web clamp vss nfet w=4 l=1
Mpr bl we clamp vdd pfet w=2 l=1
Mna sb d sx vss nfet w=2 l=1
Mnb sx csel vss vss nfet w=2 l=1
Mpa sb d vdd vdd pfet w=2 l=1
Mpb sb csel vdd vdd pfet w=2 l=1
Mni s sb vss vss nfet w=1 l=1
Mpi s sb vdd vdd pfet w=2 l=1
Mns wsel s w vss nfet w=2 l=1
Mps wsel sb w vdd pfet w=2 l=1
Mnn wrest sb w vss nfet w=2 l=1
Mpn wrest s w vdd pfet w=2 l=1
Mnw w we bl vss nfet w=2 l=1
Mpw w web bl vdd pfet w=2 l=1
.ends
