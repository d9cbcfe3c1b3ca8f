* StrongARM comparator: on the rising clk, set goes high when inp > inn, else clear; both are low
* while clk is low. A latch of two nor2 keeps the decision. Drawn in mirrored pairs: unequal wires on da, db,
* oa and ob would be an offset.
.subckt comparator inp inn clk set clear vdd vss
Mntail tail clk vss vss nfet w=4 l=1
Mninp da inp tail vss nfet w=8 l=1
Mninn db inn tail vss nfet w=8 l=1
Mnla oa ob da vss nfet w=4 l=1
Mnlb ob oa db vss nfet w=4 l=1
Mpla oa ob vdd vdd pfet w=4 l=1
Mplb ob oa vdd vdd pfet w=4 l=1
Mppoa oa clk vdd vdd pfet w=2 l=1
Mppob ob clk vdd vdd pfet w=2 l=1
Mppda da clk vdd vdd pfet w=2 l=1
Mppdb db clk vdd vdd pfet w=2 l=1
Mnia set oa vss vss nfet w=1 l=1
Mpia set oa vdd vdd pfet w=2 l=1
Mnib clear ob vss vss nfet w=1 l=1
Mpib clear ob vdd vdd pfet w=2 l=1
.ends
