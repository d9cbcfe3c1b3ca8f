* Comparator neuron: act = 1 when col > vth at the rising clk; binary activation,
* kept until the next decision. Two equal halves: the tail
* is two transistors, and what loads qn (the output) loads qp as well.
.subckt neuron col vth clk act vdd vss
Mntaila tail clk vss vss nfet w=2 l=1
Mntailb tail clk vss vss nfet w=2 l=1
Mninp da col tail vss nfet w=8 l=1
Mninn db vth tail vss nfet w=8 l=1
Mnla oa ob da vss nfet w=4 l=1
Mnlb ob oa db vss nfet w=4 l=1
Mpla oa ob vdd vdd pfet w=4 l=1
Mplb ob oa vdd vdd pfet w=4 l=1
Mppoa oa clk vdd vdd pfet w=2 l=1
Mppob ob clk vdd vdd pfet w=2 l=1
Mppda da clk vdd vdd pfet w=2 l=1
Mppdb db clk vdd vdd pfet w=2 l=1
Mnia sa oa vss vss nfet w=1 l=1
Mnib sb ob vss vss nfet w=1 l=1
Mpia sa oa vdd vdd pfet w=2 l=1
Mpib sb ob vdd vdd pfet w=2 l=1
Mnqaa qp sb vss vss nfet w=1 l=1
Mnqba qn sa vss vss nfet w=1 l=1
Mnqab qp qn vss vss nfet w=1 l=1
Mnqbb qn qp vss vss nfet w=1 l=1
Mpqaa qax sb vdd vdd pfet w=2 l=1
Mpqba qbx sa vdd vdd pfet w=2 l=1
Mpqab qp qn qax vdd pfet w=2 l=1
Mpqbb qn qp qbx vdd pfet w=2 l=1
Mno act qn vss vss nfet w=2 l=1
Mnob actb qp vss vss nfet w=2 l=1
Mpo act qn vdd vdd pfet w=4 l=1
Mpob actb qp vdd vdd pfet w=4 l=1
.ends
