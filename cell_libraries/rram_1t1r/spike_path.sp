* From a comparator's decision to a spike, one polarity: a latch keeps the decision, qb high lets it
* count (fb low then), and while rphb is low it leaves as out and, driven, as spike.
.subckt spike_path set clear qb rphb fb out spike vdd vss
Mnla kept clear vss vss nfet w=1 l=1
Mnlb kept keptb vss vss nfet w=1 l=1
Mpla la clear vdd vdd pfet w=2 l=1
Mplb kept keptb la vdd pfet w=2 l=1
Mnma keptb set vss vss nfet w=1 l=1
Mnmb keptb kept vss vss nfet w=1 l=1
Mpma ma set vdd vdd pfet w=2 l=1
Mpmb keptb kept ma vdd pfet w=2 l=1
Mnfa fb kept nf vss nfet w=2 l=1
Mnfb nf qb vss vss nfet w=2 l=1
Mpfa fb kept vdd vdd pfet w=2 l=1
Mpfb fb qb vdd vdd pfet w=2 l=1
Mnoa out fb vss vss nfet w=1 l=1
Mnob out rphb vss vss nfet w=1 l=1
Mpoa oa fb vdd vdd pfet w=2 l=1
Mpob out rphb oa vdd pfet w=2 l=1
Mni outb out vss vss nfet w=1 l=1
Mpi outb out vdd vdd pfet w=2 l=1
Mns spike outb vss vss nfet w=4 l=1
Mps spike outb vdd vdd pfet w=8 l=1
.ends
